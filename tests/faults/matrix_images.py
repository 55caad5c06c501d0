"""The fault matrix, images and labels: where data is kept, and whose containers and volumes are."""

from __future__ import annotations

from .fault import Fault

_IMAGE, _LABELS = "faults/test_image_data.py::test_", "faults/test_copied_labels.py::test_"
REFUSED = "refused before anything is touched"
IMAGES = (
    Fault(
        "data_elsewhere_in_the_image",
        "an image whose PGDATA is another directory (as TimescaleDB-HA), as root or as `USER postgres`",
        "the volume goes there; every row outlives the container",
        test=f"{_IMAGE}the_volume_is_where_the_image_keeps_its_data",
    ),
    Fault(
        "volume_inside_the_data",
        "an image that declares a volume inside its data directory",
        REFUSED,
        "2, `image-not-usable`",
        test=f"{_IMAGE}an_image_whose_data_no_volume_can_hold_is_refused_before_anything_is_touched",
    ),
    Fault(
        "data_beside_the_volume",
        "an image whose server keeps its data beside the volume, whatever the image says",
        "never called ready: the data is looked for through the volume's mount",
        "4, `data-outside-volume`",
        test=f"{_IMAGE}a_first_start_beside_the_volume_is_never_called_ready",
    ),
    Fault(
        "another_database_than_the_volumes",
        "the same over a volume that has data",
        "refused: the server's own number of its data is not that of the volume",
        "4, `data-outside-volume`",
        test=f"{_IMAGE}a_server_that_does_not_use_the_data_in_the_volume_is_refused_and_the_data_is_kept",
    ),
    Fault(
        "data_at_another_place",
        "an image that looks for data at another place of the volume",
        f"{REFUSED}, naming the image that fits",
        "4, `data-at-another-place`",
        test=f"{_IMAGE}an_image_that_looks_at_another_place_of_the_volume_is_refused",
    ),
    Fault(
        "older_data_beside_the_volume",
        "a container of an older planodev that has its rows beside the volume",
        "never replaced; says how the rows get into a volume",
        "4, `data-outside-volume`",
        test=f"{_IMAGE}a_container_of_an_older_planodev_that_has_data_beside_its_volume_is_never_replaced",
    ),
    Fault(
        "no_entrypoint",
        "an image that makes no database: without docker-entrypoint.sh",
        "the server's own refusal, and an image that does",
        "6, `server-stopped`",
        test=f"{_IMAGE}an_image_that_makes_no_database_is_refused_with_what_mends_it",
    ),
    Fault(
        "entrypoint_gone",
        "an image whose entrypoint is not in it",
        "refused, naming it",
        "2, `image-cannot-start`",
        test=f"{_IMAGE}an_image_whose_entrypoint_is_gone_is_refused_and_mended_by_another",
    ),
    Fault(
        "init_script_fails",
        "a script of the image's own first start fails, and the engine starts the server again",
        "refused with the log: a second start skips the rest, and looks well",
        "6, `init-failed`",
        test=f"{_IMAGE}scripts_of_the_image_that_fail_are_told_until_they_are_mended",
    ),
    Fault(
        "init_script_killed",
        "`up` and the server killed while such a script runs",
        "the same",
        "6, `init-failed`",
        test=f"{_IMAGE}scripts_of_the_image_that_were_killed_half_way_are_not_taken_for_done",
    ),
    Fault(
        "adopt_data_in_no_volume",
        "`--adopt` of a container that has its data in no volume",
        "copied as a whole; the old one can be removed only after the verification",
        test=f"{_IMAGE}a_container_that_has_its_data_among_its_own_files_is_adopted_with_it",
    ),
    Fault(
        "adopt_tablespace",
        "`--adopt` of data with a tablespace elsewhere",
        "refused; the old container is kept, nothing offers to remove it",
        "4, `adopt-failed`",
        test=f"{_IMAGE}data_that_a_copy_would_miss_is_not_adopted",
    ),
    Fault(
        "adopt_other_data",
        "`--adopt` of a server that runs over other data than it was told to",
        REFUSED,
        "4, `adopt-not-possible`",
        test=f"{_IMAGE}a_server_that_runs_over_other_data_than_it_says_is_not_adopted",
    ),
    Fault(
        "committed_image",
        "a container of an image that `docker commit` made of the database's",
        "left alone: it has the labels, and not the volume",
        test=f"{_LABELS}a_container_of_an_image_that_was_committed_is_left_alone",
    ),
    Fault(
        "copied_labels",
        "a second container with the labels, over the same volume",
        "refused; neither is touched, nor by `down`",
        "4, `two-databases`",
        test=f"{_LABELS}two_containers_over_its_volume_are_a_conflict_and_none_is_touched",
    ),
    Fault(
        "copied_volume",
        "a second volume with the labels, with a container or without",
        "refused; both are kept",
        "4, `two-databases`",
        test=f"{_LABELS}a_volume_with_copied_labels_is_a_conflict_whoever_uses_it",
    ),
    Fault(
        "volume_without_labels",
        "the volume brought back by hand, without its labels",
        "refused: its container is never replaced",
        "4, `container-without-volume`",
        test=f"{_LABELS}a_container_that_has_a_volume_without_labels_is_never_replaced",
    ),
    Fault(
        "volume_plugin_hangs",
        "a volume plugin that hangs: `GET /volumes` gets no answer",
        "`down` stops the server within 15 seconds, and deletes nothing",
        test=f"{_LABELS}down_stops_the_server_while_the_engine_lists_no_volumes",
    ),
)
