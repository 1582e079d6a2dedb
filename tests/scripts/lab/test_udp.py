"""What a stream came to, from what both ends noted; and the frames of a crowd."""

from array import array

from scripts.lab.packets import frame
from scripts.lab.udp import UdpStream

MS = 1_000_000
SENT = array("q", [MS * number for number in range(1000, 1010)])  # ten packets, 1.000 s to 1.009 s


def seen(*came: tuple[int, int]) -> UdpStream:
    """These numbers came, so many ms after they were sent."""
    numbers = array("Q", [number for number, _ in came])
    return UdpStream.of(SENT, numbers, array("q", [SENT[number] + late * MS for number, late in came]))


def test_all_came() -> None:
    got = seen(*((number, 1) for number in range(10)))

    assert (got.sent, got.received, got.lost, got.duplicated, got.latest_ms) == (10, 10, 0, 0, 1.0)
    assert "10 sent, 10 received, 0 lost" in str(got)


def test_what_is_lost_has_a_number_and_a_time() -> None:
    got = seen(*((number, 1) for number in (0, 1, 2, 5, 6, 7, 8)))

    assert got.lost_numbers == [3, 4, 9]
    assert got.lost_between(1.003, 1.009) == 2
    assert got.lost_between(0, 1.003) == 0
    assert got.lost_between(1.009, 2) == 1
    assert "3 lost (numbers 3 to 9, 0.003 s to 0.009 s after the start)" in str(got)


def test_what_was_sent_before_and_came_late_is_no_leak() -> None:
    got = seen((0, 1), (4, 400), (5, 1))

    assert got.arrived_after(1.005) == 1
    assert got.arrived_after(1.0051) == 0
    assert got.arrived_after(1.004, 1.005) == 1
    assert got.latest_ms == 400


def test_what_waited_until_it_was_allowed_again_did_not_come_within_the_time() -> None:
    got = seen((4, 1), (5, 400), (8, 1))

    assert got.arrived_within(1.004, 1.008) == 1
    assert got.arrived_within(1.004, 2) == 3


def test_twice_is_not_two_and_order_does_not_matter() -> None:
    got = seen((1, 5), (0, 7), (1, 9), (1, 9))

    assert (got.received, got.duplicated, got.latest_ms) == (2, 2, 7.0)


def test_nothing_came() -> None:
    got = seen()

    assert (got.received, got.lost, got.latest_ms) == (0, 10, 0)


def test_frames_of_a_crowd_have_a_right_header_and_each_its_own_mac() -> None:
    frames = [frame(b"\x02\x00\x00\x00\x00\x09", bytes((172, 15, 42, 1)), number) for number in (0, 1, 70_000)]

    assert len({made[:6] for made in frames}) == 3
    assert {made[0] & 3 for made in frames} == {2}, "local, and no group"
    words = [int.from_bytes(frames[0][at : at + 2], "big") for at in range(14, 34, 2)]
    assert sum(words) % 0xFFFF == 0, "RFC 1071: with its checksum a header sums to all ones"
    assert frames[0][26:30] == bytes((172, 15, 42, 1))
    assert len(frames[0]) == 60
