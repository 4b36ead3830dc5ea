//! The end of a ping.

use super::calloop::Error;
use super::fixture::Fixture;
use crate::ensure;
use crate::rule::{Case, Check, Level, Rule, Trial};

pub(super) fn cases() -> Vec<Case> {
    vec![Case::plain(&LAST_PING_DROPPED, last_ping_dropped)]
}

const LAST_PING_DROPPED: Rule = Rule {
    id: "PING-51",
    level: Level::Must,
    sentence: "When the last `Ping` is dropped its source MUST remove itself, after the event of a \
               ping from before: its token is invalid then.",
    why: "Nobody can ping any more, so that the program need not remove the source itself.",
    source: "calloop, documentation of PingSource; calloop, test ping_fired_and_removed",
    check: "what the source answers when it finds that it was closed",
    needs: &[],
    alone: false,
};

fn last_ping_dropped(t: &Trial) -> Check {
    let mut f = Fixture::new(t)?;
    for name in ["pinged", "not pinged"] {
        let (ping, token) = f.insert_ping(name)?;
        let clone = ping.clone();
        drop(ping);
        f.expect_quiet()?;
        f.handle.update(&token)?;
        if name == "pinged" {
            clone.ping();
        }
        drop(clone);
        f.poll()?;
        let outcome = f.handle.update(&token);
        ensure!(matches!(outcome, Err(Error::InvalidToken)), "Error::InvalidToken", "{outcome:?}");
        f.expect_quiet()?;
    }
    f.expect_marks(["pinged"])
}
