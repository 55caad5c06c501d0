"""The steps of `up`, and the checks before Plano starts, one file each: functions that act and say what they did."""
