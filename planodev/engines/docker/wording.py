"""What Docker calls what it has, and the commands that a user may type there."""

from __future__ import annotations

from planodev.engines import Wording

WORDING = Wording(
    server="container",
    data="volume",
    other_major="{{up --image postgres:{major}}} starts the data as it is",
    damaged="docker run --rm -v {volume}:/from:ro {image} tar -cC /from . > damaged.tar",
    single_user="echo 'ALTER ROLE \"{user}\" LOGIN' | docker run --rm -i --volumes-from {name} "
    "-u postgres {image} postgres --single -D /var/lib/postgresql/data postgres",
    sessions="docker top {name} -efww",
    psql="docker exec {name} psql -U {user} -d {database}",
)
