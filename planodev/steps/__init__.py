"""What planodev changes, one file each: functions that act, say what they did, and return what is there then."""
