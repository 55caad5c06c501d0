"""Passwords: raw in Postgres, percent-encoded in DB_PASS, and in no text that people see."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict

from planodev.postgres.connection import Connection, decode_password, encode_password, is_encoded

RAW = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1)


@given(RAW)
@example("p@ss/w:rd?#[]%41 ~$`'\"\\é\n")
def test_a_password_survives_encoding_and_decoding(raw):
    encoded = encode_password(raw)
    assert decode_password(encoded) == raw
    assert re.fullmatch(r"[A-Za-z0-9._%-]+", encoded)
    assert is_encoded(encoded)


@given(RAW)
def test_a_postgres_driver_finds_the_raw_password_in_the_connection_string(raw):
    assert conninfo_to_dict(f"postgresql://u:{encode_password(raw)}@h:1/d")["password"] == raw


@pytest.mark.parametrize(
    ("value", "raw"),
    [
        ("plain-1_2.3", "plain-1_2.3"),
        ("p%40ss", "p@ss"),
        ("p%c3%a9", "pé"),
        ("p@ss%41", "p@ss%41"),  # not encoded as a whole, so it is the password itself
        ("100%", "100%"),
        ("%zz", "%zz"),
        ("a b", "a b"),
    ],
)
def test_a_value_is_decoded_only_where_all_of_it_is_encoded(value, raw):
    assert decode_password(value) == raw


@pytest.mark.parametrize("value", ["%ff", "a%C3", "%00", "a\0b"])
def test_bytes_that_postgres_cannot_store_are_refused(value):
    with pytest.raises(ValueError, match=r"UTF-8|NUL"):
        decode_password(value)


def test_the_password_is_in_no_text_of_a_connection():
    way = Connection("plano", "hunter2", "db.example", 5432, "plano")
    for text in (repr(way), str(way), f"{way}", repr([way])):
        assert "hunter2" not in text
