//! The difference of two documents: a hunk for each service that isn't the same.

use std::collections::BTreeMap;
use std::fmt::Display;

#[cfg(test)]
mod tests;

/// Unchanged lines shown around a change.
const CONTEXT: usize = 3;

/// Cells of the comparison table (64 MiB). Beyond them a service is shown as replaced.
const TABLE_MAX: usize = 1 << 24;

/// A line, and what becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line<'a> {
    Kept(&'a str),
    Removed(&'a str),
    Added(&'a str),
}

/// What turns `old` into `new`, both as text by key: `@@ KEY @@` before lines that start with
/// space, minus or plus. Empty if nothing differs.
pub fn diff<K: Ord + Display>(old: &BTreeMap<K, String>, new: &BTreeMap<K, String>) -> String {
    let mut keys: Vec<&K> = old.keys().chain(new.keys()).collect();
    keys.sort();
    keys.dedup();
    let text = |side: &'_ BTreeMap<K, String>, key| side.get(key).cloned().unwrap_or_default();
    keys.into_iter()
        .map(|key| hunks(&key.to_string(), &text(old, key), &text(new, key)))
        .collect()
}

fn hunks(key: &str, old: &str, new: &str) -> String {
    let lines = compare(
        &old.lines().collect::<Vec<_>>(),
        &new.lines().collect::<Vec<_>>(),
    );
    let changed: Vec<usize> = (0..lines.len())
        .filter(|&index| !matches!(lines[index], Line::Kept(_)))
        .collect();
    let mut text = String::new();
    let mut last_shown = None;
    for (index, line) in lines.iter().enumerate() {
        let next = changed.partition_point(|&change| change < index);
        let near = |change: Option<&usize>| {
            change.is_some_and(|&change| change.abs_diff(index) <= CONTEXT)
        };
        if !near(changed.get(next))
            && !near(next.checked_sub(1).and_then(|before| changed.get(before)))
        {
            continue;
        }
        if last_shown.is_none_or(|last: usize| last + 1 != index) {
            text += &format!("@@ {key} @@\n");
        }
        last_shown = Some(index);
        let (sign, line) = match line {
            Line::Kept(line) => (' ', line),
            Line::Removed(line) => ('-', line),
            Line::Added(line) => ('+', line),
        };
        text += &format!("{sign}{line}\n");
    }
    text
}

/// A shortest edit by the longest common subsequence, within what differs between the common
/// beginning and the common end.
fn compare<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<Line<'a>> {
    let head = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let (old_rest, new_rest) = (&old[head..], &new[head..]);
    let tail = old_rest
        .iter()
        .rev()
        .zip(new_rest.iter().rev())
        .take_while(|(a, b)| a == b)
        .count();
    let (a, b) = (
        &old_rest[..old_rest.len() - tail],
        &new_rest[..new_rest.len() - tail],
    );

    let replaced = a.len().saturating_mul(b.len()) > TABLE_MAX;
    // common[i][j]: length of the longest common subsequence of a[i..] and b[j..].
    let columns = if replaced { 1 } else { b.len() + 1 };
    let mut common = vec![vec![0u32; columns]; a.len() + 1];
    for i in (0..a.len()).rev().filter(|_| !replaced) {
        for j in (0..b.len()).rev() {
            common[i][j] = match a[i] == b[j] {
                true => common[i + 1][j + 1] + 1,
                false => common[i + 1][j].max(common[i][j + 1]),
            };
        }
    }
    let mut lines: Vec<Line<'a>> = old[..head].iter().map(|line| Line::Kept(line)).collect();
    let (mut i, mut j) = (0, 0);
    while i < a.len() || j < b.len() {
        if !replaced && i < a.len() && j < b.len() && a[i] == b[j] {
            lines.push(Line::Kept(a[i]));
            (i, j) = (i + 1, j + 1);
        } else if j == b.len()
            || (i < a.len() && (replaced || common[i + 1][j] >= common[i][j + 1]))
        {
            lines.push(Line::Removed(a[i]));
            i += 1;
        } else {
            lines.push(Line::Added(b[j]));
            j += 1;
        }
    }
    lines.extend(old[old.len() - tail..].iter().map(|line| Line::Kept(line)));
    lines
}
