//! Which lines of a file change, as people are used to see it. Pure.

use crate::text;

/// A line that is longer is not read as a whole: a file may be one line.
const LONG: usize = 240;

/// The lines that go and the lines that come, under the number of the first. Lines around them are not shown: they may
/// hold other servers' keys.
pub fn changed_lines(before: &str, after: &str) -> Vec<String> {
    let (old, new): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    let first = old.iter().zip(&new).take_while(|(old, new)| old == new).count();
    let last = old[first..].iter().rev().zip(new[first..].iter().rev()).take_while(|(old, new)| old == new).count();
    let (old, new) = (&old[first..old.len() - last], &new[first..new.len() - last]);
    let mut lines = vec![format!("@@ line {} @@", first + 1)];
    if let ([old], [new]) = (old, new)
        && old.len().max(new.len()) > LONG
    {
        lines.extend(within_a_line(old, new));
        return lines;
    }
    lines.extend(old.iter().map(|line| format!("-{}", shown(line))));
    lines.extend(new.iter().map(|line| format!("+{}", shown(line))));
    lines
}

/// What differs in one long line.
fn within_a_line(old: &str, new: &str) -> [String; 2] {
    let same = |(old, new): &(char, char)| old == new;
    let first: usize = old.chars().zip(new.chars()).take_while(same).map(|(c, _)| c.len_utf8()).sum();
    let (old, new) = (&old[first..], &new[first..]);
    let last: usize = old.chars().rev().zip(new.chars().rev()).take_while(same).map(|(c, _)| c.len_utf8()).sum();
    [("-", old), ("+", new)].map(|(sign, line)| format!("{sign}…{}…", shown(&line[..line.len() - last])))
}

fn shown(line: &str) -> String {
    let mut shown: String = text::visible(line).chars().take(2 * LONG).collect();
    if shown.len() < text::visible(line).len() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_changes_is_shown() {
        assert_eq!(changed_lines("a\nb\nc\n", "a\nB\nx\nc\n"), ["@@ line 2 @@", "-b", "+B", "+x"]);
        assert_eq!(changed_lines("", "a\n"), ["@@ line 1 @@", "+a"]);
        let (old, new) = ("x".repeat(500), "x".repeat(400) + "y" + &"x".repeat(100));
        assert_eq!(changed_lines(&old, &new), ["@@ line 1 @@", "-……", "+…y…"]);
        assert_eq!(changed_lines("a\na\n", "a\na\na\n"), ["@@ line 3 @@", "+a"]);
    }
}
