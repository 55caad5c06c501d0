"""The driver's own reading of a connection string: what it takes, what it refuses, what it misreads in silence."""

from urllib.parse import quote

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from planodev.plano.driver_url import Refused, Target, parse, problems
from planodev.postgres.connection import CONNECTION_STRING, encode_password

WELL = "postgresql://u:p@h:5433/d"
RAW = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1)
SECRETS = st.text(st.characters(codec="utf-8"), min_size=6) | st.text("@/?#:&='\\ %,[]ab1", min_size=6)


def codes(text):
    return [problem.code.removeprefix("connection-string-") for problem in problems(text)]


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        ("postgres://u:p@h/d", (("h", 5432),)),
        (WELL, (("h", 5433),)),
        ("postgresql://u:p@h:/d", (("h", 5432),)),
        ("postgresql://u:p@h:+5433/d", (("h", 5433),)),
        ("postgresql://u:p@[::1]:5433/d", (("::1", 5433),)),
        ("postgresql://u:p@[::1]/d", (("::1", 5432),)),
        ("postgresql://u:p@a:1,b,c:3/d", (("a", 1), ("b", 5432), ("c", 3))),
        ("postgresql://u:p@h%2e:54%333/d", (("h.", 5433),)),
        ("postgresql://u:p@%2Frun%2Fpg/d", (("/run/pg", 5432),)),
        ("postgresql://u:p@/d?host=/run/pg&port=5433", (("/run/pg", 5433),)),
        ("postgresql://u:p@a/d?host=b", (("a", 5432), ("b", 5432))),
        ("postgresql://u:p@/d?host=a,b", (("a,b", 5432),)),  # only pairs split it
        ("postgresql://u:p@h:5433/d?hostaddr=10.0.0.7", (("10.0.0.7", 5433),)),
        ("postgresql:///?host=h&user=u&password=p&dbname=d", (("h", 5432),)),
    ],
)
def test_both_grammars_are_read_as_the_driver_reads_them(text, hosts):
    target = parse(text)
    assert (target.user, target.password, target.hosts, target.database) == ("u", "p", hosts, "d")
    assert problems(text) == []


@pytest.mark.parametrize(
    ("text", "password"),
    [
        ("postgresql://u:p:/?#%zz%41@h/d", "p:/?#%zzA"),
        ("postgresql://u:%ff@h/d", "\udcff"),
        ("postgresql://u:@h/d", ""),
        ("postgresql://u@h/d", None),
        ("postgresql://u:first@h/d?password=second", "second"),
    ],
)
def test_the_password_is_what_the_driver_would_send(text, password):
    assert parse(text).password == password
    assert problems(text) == []


@pytest.mark.parametrize(
    "parameter",
    [
        "options=-c%20search_path%3Dapp",
        "application_name=a%20b",
        "sslmode=disable",
        "sslnegotiation=postgres",
        "sslnegotiation=direct",
        "connect_timeout=5",
        "connect_timeout=-1",
        "tcp_user_timeout=5",
        "keepalives=0",
        "keepalives_idle=5",
        "keepalives_interval=5",
        "keepalives_retries=4294967295",
        "target_session_attrs=any",
        "target_session_attrs=read-write",
        "target_session_attrs=read-only",
        "channel_binding=disable",
        "channel_binding=prefer",
        "load_balance_hosts=disable",
        "load_balance_hosts=random",
    ],
)
def test_every_parameter_of_the_driver_is_taken(parameter):
    name, _, value = parameter.partition("=")
    decoded = value.replace("%20", " ").replace("%3D", "=")
    assert parse(f"{WELL}?{parameter}").parameters == {name: decoded}
    assert problems(f"{WELL}?{parameter}") == []


def test_parameters_keep_their_order_and_the_last_value():
    target = parse(f"{WELL}?sslmode=require&options=a&sslmode=disable&")
    assert list(target.parameters.items()) == [("sslmode", "disable"), ("options", "a")]


REFUSED = [
    ("POSTGRESQL://u:p@h/d", "scheme", "postgresql://"),
    ("Postgres://u:p@h/d", "scheme", "postgresql://"),
    ("postgresql+psycopg://u:p@h/d", "scheme", "postgresql://"),
    ("postgresql+psycopg://u:p@h/d?sslmode=disable", "scheme", "postgresql://"),
    ("jdbc:postgresql://h/d", "scheme", "postgresql://"),
    ("mysql://u:p@h/d", "scheme", "postgresql://"),
    (" postgresql://u:p@h/d", "leading-text", "postgresql://"),
    ('"postgresql://u:p@h/d"', "leading-text", "without quotes"),
    ("'postgresql://u:p@h/d'", "leading-text", "without quotes"),
    ("postgresql:u:p@h/d", "no-url", "HOST:PORT"),
    ("host=h port=5433 user=u password=p dbname=d", "no-url", "write it as a URL"),
    ("", "no-url", "write it as a URL"),
    ("postgresql://u:p@::1/d", "ipv6", "[::1]:5432"),
    ("postgresql://u:p@fe80::1:5432/d", "ipv6", "[::1]:5432"),
    ("postgresql://u:p@[::1/d", "ipv6", "[::1]:5432"),
    ("postgresql://u:p@[::1]5432/d", "ipv6", "[::1]:5432"),
    ("postgresql://u:p@h:port/d", "value", "number"),
    ("postgresql://u:p@h:65536/d", "value", "number"),
    ("postgresql://u:p@h:-0/d", "value", "number"),
    ("postgresql://u:p@h:٣/d", "value", "number"),
    ("postgresql://u:p@h:5432/d?hostaddr=h", "value", "remove"),
    ("postgresql://u:p@h:${DB_PORT}/d", "unsubstituted", "planodev run"),
    (CONNECTION_STRING, "unsubstituted", "planodev run"),
    (f"{WELL}?sslmode=allow", "value", "sidecar"),
    (f"{WELL}?sslmode=verify-ca", "value", "sidecar"),
    (f"{WELL}?sslmode=verify-full", "value", "sidecar"),
    (f"{WELL}?target_session_attrs=primary", "value", "read-write"),
    (f"{WELL}?connect_timeout=5s", "value", "remove"),
    (f"{WELL}?keepalives=-1", "value", "remove"),
    (f"{WELL}?sslrootcert=/ca.pem", "parameter-unknown", "sidecar"),
    (f"{WELL}?search_path=app", "parameter-unknown", "options=-c%20search_path%3D"),
    (f"{WELL}?schema=app", "parameter-unknown", "options=-c%20search_path%3D"),
    (f"{WELL}?currentSchema=app", "parameter-unknown", "options=-c%20search_path%3D"),
    (f"{WELL}?pgbouncer=true", "parameter-unknown", "session mode"),
    (f"{WELL}?statement_timeout=5000", "parameter-unknown", "options=-c%20statement_timeout%3D"),
    (f"{WELL}?SSLMODE=disable", "parameter-unknown", "remove"),
    (f"{WELL}?sslmode", "parameter-cut", "NAME=VALUE"),
    ("postgresql://%ff:p@h/d", "not-utf8", "UTF-8"),
    ("postgresql://u:p@h%ff/d", "not-utf8", "UTF-8"),
    (f"{WELL}?port=5433", "hosts", "every host"),  # a second port, not another one
    ("postgresql://u:p@a,b/d?hostaddr=::1", "hosts", "every host"),
    ("postgresql://u:p@ss:word@h:5432/d", "at-sign", "%40"),
    ("postgresql://me@server:p@h/d", "at-sign", "%40"),
]


@pytest.mark.parametrize(("text", "code", "fix"), REFUSED)
def test_what_the_driver_refuses_is_refused_with_a_fix(text, code, fix):
    with pytest.raises(Refused) as refused:
        parse(text)
    problem = refused.value.fault.problem()
    assert problem.code == f"connection-string-{code}"
    assert fix in str(problem.fix)
    assert str(refused.value) == problem.message
    assert not problem.message.endswith(".")
    assert not text or text not in problem.message
    assert problems(text) == [problem]


@pytest.mark.parametrize("name", ["sslrootcert", "search_path", "currentSchema", "pgbouncer", "nonsense"])
def test_an_unknown_parameter_is_named(name):
    assert f"`{name}`" in problems(f"{WELL}?{name}=1")[0].message


def test_a_name_after_an_unencoded_password_may_be_its_rest_and_is_not_shown():
    (problem,) = problems("postgresql://u@h/d?password=correct&horse=1")
    assert problem.code == "connection-string-parameter-unknown"
    assert "horse" not in repr(problem)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (WELL, []),
        (f"{WELL}?connect_timeout=5", []),
        (f"{WELL}#main", ["fragment"]),
        (f"{WELL}?application_name=x#main", ["fragment"]),
        ("postgresql://u:p#w@h/d%23x", []),
        (f"{WELL}/", ["slash"]),
        (f"{WELL}/?sslmode=disable", ["slash"]),
        ("postgresql://u:p@h/d%2F?options=a/b/c", []),
        ("postgresql://u:p@ss@h:5432/d", ["at-sign"]),
        ("postgresql://u:p@s/secret@h/d", ["at-sign", "slash"]),
        ("postgresql://u:p%40ss@h:5432/d", []),
        ("postgresql://u:p@${DB_HOST}:5432/d", ["unsubstituted"]),
        ("postgresql://${DB_USER}:${DB_PASS}@h:5432/d", ["unsubstituted"]),
        (f"{WELL}?sslmode=require", ["sslmode-require"]),
        (f"{WELL}?sslmode=require&channel_binding=require", ["sslmode-require", "channel-binding"]),
        (f"{WELL}?sslmode=prefer", ["sslmode-prefer"]),
        ("postgresql://u:p@:5432/d", ["host-missing"]),
        ("postgresql://u:p@/d", ["host-missing"]),
        ("postgresql://u:p@a,,b/d", ["host-missing"]),
        ("postgresql://h/d", ["user-missing"]),
        ("postgresql://:p@h/d", ["user-missing"]),
        ("postgresql://u:p@h", ["database-missing"]),
        ("postgresql://u:p@h/", ["database-missing"]),
        ("postgresql://:@:5432/", ["host-missing", "user-missing", "database-missing"]),
    ],
)
def test_what_is_misread_in_silence_or_fatal_at_start_is_said_once(text, said):
    parse(text)
    assert codes(text) == said
    assert all(problem.message and problem.fix and not problem.message.endswith(".") for problem in problems(text))


def test_a_misread_text_shows_what_the_driver_makes_of_it():
    assert parse(f"{WELL}#main").database == "d#main"
    assert parse(f"{WELL}/").database == "d/"
    assert parse("postgresql://u:p@ss@h:5432/d").hosts == (("ss@h", 5432),)
    assert parse("postgresql://u@${DB_HOST}/d").hosts == (("${DB_HOST}", 5432),)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        (WELL, "postgresql://u:***@h:5433/d"),
        ("postgresql://u:p@[::1],b:1/d", "postgresql://u:***@[::1]:5432,b:1/d"),
        ("postgresql://u:p@ss@h:5433/d", "postgresql://u:***@h:5433/d"),
        ("postgresql://u:p@s/ecret@h:5433/d", "postgresql://u:***@h:5433/d"),
    ],
)
def test_people_see_no_password(text, masked):
    assert parse(text).masked == masked
    assert repr(parse(text)) == f"Target({masked!r})"


@given(RAW, RAW, RAW)
@example("ü@/:?#", "p@ss/w:rd?#[]%41 ~$`'\"\\é\n", "d/#?%")
def test_encoded_texts_survive_in_a_connection_string(user, password, database):
    text = f"postgresql://{encode_password(user)}:{encode_password(password)}@h:5433/{encode_password(database)}"
    assert parse(text) == Target(user, password, (("h", 5433),), database, {})
    assert problems(text) == []


PLACES = [
    "postgresql://u:{}@h:5433/d",
    "postgresql://u:{}@h:5433/d?sslmode=verify-full",
    "postgresql://u:{}@h:port/d#f",
    "postgresql://u:{}@/d/?nonsense=1",
    "postgresql://u@h/d?password={}&nonsense=1",
    "Postgresql://u:{}@h/d?a=1",
    "host=h user=u password={} nonsense=1",
]


def said_of(text):
    """Return everything that people may see of a connection string."""
    try:
        target = parse(text)
    except Refused as refused:
        return [str(refused), repr(refused), repr(refused.fault), *map(repr, problems(text))]
    return [repr(target), str(target), target.masked, *map(repr, problems(text))]


@given(SECRETS, st.sampled_from(PLACES), st.sampled_from([str, encode_password, lambda raw: quote(raw, safe="@?")]))
@example("@abcdef", PLACES[0], str)
@example("@ab/cdefg", PLACES[0], str)
@example("x?abcdef=", PLACES[2], str)
@example("x@h?abcdef=1", PLACES[0], str)
@example("x abcdef=1", PLACES[6], str)
def test_the_password_is_in_nothing_that_is_said(password, place, form):
    innocent = " ".join(text for known in ("x", "x@y") for text in said_of(place.format(known)))
    assume(password not in innocent)
    for text in said_of(place.format(form(password))):
        assert password not in text
        assert form(password) not in text
