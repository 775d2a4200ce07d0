use std::time::Duration;

use countersign_store::throttle::{self, Counted};
use tokio::task::JoinSet;

use crate::support::{Test, at};

on_both! {
    a_window_begins_with_its_first_failure_and_ends_on_time,
    counters_do_not_touch_each_other,
    of_many_counted_at_once_none_is_lost,
    one_can_be_taken_back_but_never_below_nothing,
    pruning_spares_windows_that_are_open,
}

const WINDOW: Duration = Duration::from_secs(60);
const KEY: [u8; 32] = [1; 32];

async fn count(t: &Test, key: [u8; 32], now: i64) -> (i64, i64) {
    let Counted {
        failures,
        resets_at,
    } = unit!(t, |conn| throttle::count(conn, &key, at(now), WINDOW).await).unwrap();
    (failures, resets_at.as_secs())
}

async fn a_window_begins_with_its_first_failure_and_ends_on_time(t: Test) {
    for (now, expected) in [
        (100, (1, 160)),
        (130, (2, 160)),
        (159, (3, 160)),
        (160, (1, 220)),
        (150, (2, 220)),
        (1_000, (1, 1_060)),
    ] {
        assert_eq!(count(&t, KEY, now).await, expected, "at {now}");
    }
}

async fn counters_do_not_touch_each_other(t: Test) {
    assert_eq!(count(&t, KEY, 100).await.0, 1);
    assert_eq!(count(&t, [2; 32], 100).await.0, 1);
    assert_eq!(count(&t, KEY, 100).await.0, 2);
    unit!(t, |conn| throttle::clear(conn, &KEY).await).unwrap();
    assert_eq!(count(&t, KEY, 120).await, (1, 180));
    assert_eq!(count(&t, [2; 32], 120).await, (2, 160));
}

async fn of_many_counted_at_once_none_is_lost(t: Test) {
    let mut counts = JoinSet::new();
    for _ in 0..20 {
        let db = t.db.clone();
        counts.spawn(async move {
            db.write(|conn| Box::pin(throttle::count(conn, &KEY, at(100), WINDOW)))
                .await
        });
    }
    let mut seen: Vec<i64> = counts
        .join_all()
        .await
        .into_iter()
        .map(|count| count.unwrap().failures)
        .collect();
    seen.sort_unstable();
    assert_eq!(seen, (1..=20).collect::<Vec<_>>());
}

async fn one_can_be_taken_back_but_never_below_nothing(t: Test) {
    let give_back = async || unit!(t, |conn| throttle::give_back(conn, &KEY).await).unwrap();
    give_back().await;
    assert_eq!(count(&t, KEY, 100).await, (1, 160));
    for _ in 0..3 {
        give_back().await;
    }
    assert_eq!(count(&t, KEY, 100).await, (1, 160));
    assert_eq!(count(&t, KEY, 100).await, (2, 160));
}

async fn pruning_spares_windows_that_are_open(t: Test) {
    for n in 0..4 {
        count(&t, [n; 32], 10 * i64::from(n)).await;
    }
    let prune =
        async |now, limit| unit!(t, |conn| throttle::prune(conn, at(now), limit).await).unwrap();
    assert_eq!(prune(60, 9).await, 0);
    assert_eq!(prune(81, 2).await, 2);
    assert_eq!((prune(81, 2).await, prune(81, 2).await), (1, 0));
    assert_eq!(count(&t, [3; 32], 81).await, (2, 90));
    assert_eq!(count(&t, [2; 32], 81).await, (1, 141));
}
