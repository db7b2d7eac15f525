"""Only what SLURM certainly did not take is a refusal, or an absence."""

import pytest

from headframe.daemon.slurm.contract import AwayError, BatchError, RefusedError, UnclearError
from headframe.daemon.slurm.refusing import ending_error, said, submission_error

FAILED = "sbatch: error: Batch job submission failed: "


@pytest.mark.parametrize(
    ("exit_code", "text", "kind"),
    [
        (
            1,
            f"sbatch: error: invalid partition specified: nope\n{FAILED}Invalid partition name specified",
            RefusedError,
        ),
        (1, f"{FAILED}Invalid qos specification", RefusedError),
        (1, f"{FAILED}Invalid account or account/partition combination specified", RefusedError),
        (1, f"{FAILED}Requested reservation is invalid", RefusedError),
        (1, f"{FAILED}Requested node configuration is not available", RefusedError),
        (1, f"{FAILED}Job violates accounting/QOS policy (job submit limit, user's size)", RefusedError),
        (1, f"{FAILED}Access/permission denied", RefusedError),
        (255, "sbatch: unrecognized option '--bogus'\nTry \"sbatch --help\" for more information", RefusedError),
        (255, "sbatch: error: Invalid --time specification", RefusedError),
        (1, "sbatch: error: Invalid generic resource (gres) specification", RefusedError),
        (1, "sbatch: error: Batch script is empty!", RefusedError),
        (1, "allocation failure: Invalid partition name specified", RefusedError),
        (1, f"{FAILED}Unable to contact slurm controller (connect failure)", AwayError),
        (1, f"{FAILED}Slurm temporarily unable to accept job", AwayError),
        (1, "sbatch: fatal: Could not establish a configuration source", AwayError),
        (1, f"{FAILED}Socket timed out on send/recv operation", UnclearError),
        (1, f"{FAILED}Unable to contact slurm controller (receive failure)", UnclearError),
        (1, f"{FAILED}Unable to contact slurm controller", UnclearError),
        (1, f"{FAILED}Zero Bytes were transmitted or received", UnclearError),
        (1, f"{FAILED}Unspecified error", UnclearError),
        (1, f"sbatch: error: Invalid --x\n{FAILED}Socket timed out on send/recv operation", UnclearError),
        (-9, "", UnclearError),
        (1, "Segmentation fault", UnclearError),
    ],
)
def test_each_complaint_of_sbatch_means_what_is_certain(exit_code: int, text: str, kind: type[BatchError]) -> None:
    found = submission_error(exit_code, text)
    assert type(found) is kind
    assert str(found) and "\n" not in str(found) and "sbatch: error" not in str(found)


def test_a_refusal_keeps_the_detail_and_the_verdict() -> None:
    text = f"sbatch: error: invalid partition specified: nope\n{FAILED}Invalid partition name specified\n"
    assert said(text) == "invalid partition specified: nope; Invalid partition name specified"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("scancel: error: Kill job error on job id 1: Invalid job id specified", None),
        ("scancel: error: Kill job error on job id 1: Job/step already completing or completed", None),
        ("scancel: error: Kill job error on job id 1: Job is pending execution", None),
        ("scancel: error: Kill job error on job id 3: Access/permission denied", RefusedError),
        ("scancel: error: Invalid job id abc", RefusedError),
        ("scancel: error: Kill job error: Unable to contact slurm controller (connect failure)", AwayError),
        ("scancel: error: Kill job error: Socket timed out on send/recv operation", UnclearError),
    ],
)
def test_ending_what_has_ended_is_no_error(text: str, kind: type[BatchError] | None) -> None:
    found = ending_error(1, text)
    assert (type(found) if found else None) is kind
