from instrumented_calc.capture.calls.streak import Streak


def test_the_beginning_and_each_doubling_of_a_streak_are_due():
    streak = Streak()
    due = [position for position in range(40) if streak.add(100 + position, position)]
    assert due == [0, 7, 15, 31]
    assert (streak.calls, streak.length, streak.last_call) == (40, 40, 139)


def test_a_streak_that_begins_with_its_second_call_is_not_due_at_once():
    streak = Streak(first=2)
    assert [position for position in range(1, 40) if streak.add(position, position)] == [7, 15, 31]


def test_of_many_streaks_the_first_second_fourth_are_due():
    streak = Streak()
    assert [position for position in range(0, 40, 2) if streak.add(position, position)] == [0, 2, 6, 14, 30]


def test_only_the_call_that_was_added_last_is_due():
    streak = Streak()
    streak.add(5, 5)
    assert streak.is_due(5)
    assert not streak.is_due(6)
