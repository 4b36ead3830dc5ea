//! What was not measured, by its reason.

use crate::record::Missing;

/// What has one reason together, with one that has it.
pub fn gaps(missing: &[Missing]) -> Vec<(Vec<&str>, &Missing)> {
    let mut gaps: Vec<(Vec<&str>, &Missing)> = Vec::new();
    for gap in missing {
        let is_same = |other: &Missing| (&other.why, &other.mend) == (&gap.why, &gap.mend);
        match gaps.iter_mut().find(|(_, other)| is_same(other)) {
            Some((what, _)) => what.push(&gap.what),
            None => gaps.push((vec![&gap.what], gap)),
        }
    }
    gaps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_of_one_reason_stand_together() {
        let gap = |what: &str, why: &str| Missing {
            what: what.to_string(),
            why: why.to_string(),
            mend: String::new(),
        };
        let missing =
            [gap("ping on mio", "no pings"), gap("idle", "else"), gap("wake", "no pings")];
        let gaps: Vec<Vec<&str>> = gaps(&missing).into_iter().map(|(what, _)| what).collect();
        assert_eq!(gaps, [vec!["ping on mio", "wake"], vec!["idle"]]);
    }
}
