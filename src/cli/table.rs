//! Columns that line up, whatever script the text is in.

use anstyle::Style;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::cli::out;

/// One cell: cleaned text and how it looks.
#[derive(Clone, Debug)]
pub struct Cell {
    text: String,
    style: Style,
    right: bool,
    spans: bool,
}

#[derive(Debug, Default)]
pub struct Table {
    rows: Vec<Vec<Cell>>,
}

const GAP: &str = "  ";

pub fn cell(text: &str) -> Cell {
    Cell { text: out::clean(text), style: Style::new(), right: false, spans: false }
}

impl Cell {
    pub fn styled(self, style: Style) -> Cell {
        Cell { style, ..self }
    }

    /// Numbers line up at their end.
    pub fn right(self) -> Cell {
        Cell { right: true, ..self }
    }

    /// The last of its line: a sentence that is told whole, and no column grows for it.
    pub fn spanning(self) -> Cell {
        Cell { spans: true, ..self }
    }
}

impl Table {
    pub fn headed(titles: &[&str]) -> Table {
        let title = |text: &&str| cell(text).styled(Style::new().dimmed());
        Table { rows: vec![titles.iter().map(title).collect()] }
    }

    pub fn push(&mut self, row: Vec<Cell>) {
        self.rows.push(row);
    }

    /// Lines at most `width` columns wide: the column at `flexible` gives way.
    pub fn lines(&self, width: usize, flexible: usize) -> Vec<String> {
        let widths = self.fitted(width, flexible);
        self.rows.iter().map(|row| line(row, &widths)).collect()
    }

    fn fitted(&self, width: usize, flexible: usize) -> Vec<usize> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let mut widths = vec![0; columns];
        for (column, cell) in self.rows.iter().flat_map(|row| row.iter().enumerate()).filter(|(_, cell)| !cell.spans) {
            widths[column] = widths[column].max(cell.text.width());
        }
        let gaps = GAP.len() * columns.saturating_sub(1);
        let others: usize = widths.iter().enumerate().filter(|(i, _)| *i != flexible).map(|(_, w)| w).sum();
        if let Some(wide) = widths.get_mut(flexible) {
            *wide = (*wide).min(width.saturating_sub(others + gaps).max(8));
        }
        widths
    }
}

/// A line whose columns do not depend on the others': for what is told as it comes.
pub fn fixed(row: &[Cell], widths: &[usize]) -> String {
    line(row, widths)
}

fn line(row: &[Cell], widths: &[usize]) -> String {
    let width = |column: usize, cell: &Cell| if cell.spans { cell.text.width() } else { widths[column] };
    let cells: Vec<String> = row.iter().enumerate().map(|(i, cell)| padded(cell, width(i, cell))).collect();
    cells.join(GAP).trim_end().to_owned()
}

fn padded(cell: &Cell, width: usize) -> String {
    let text = cut(&cell.text, width);
    let space = " ".repeat(width.saturating_sub(text.width()));
    let shown = if cell.style.is_plain() { text } else { out::paint(cell.style, &text) };
    if cell.right { format!("{space}{shown}") } else { format!("{shown}{space}") }
}

/// At most `width` columns of a text, with a sign that some is missing.
pub fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut kept = String::new();
    let mut used = 1;
    for c in text.chars() {
        used += c.width().unwrap_or(0);
        if used > width {
            break;
        }
        kept.push(c);
    }
    kept.push('…');
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_the_flexible_one_gives_way() {
        let mut table = Table::headed(&["ID", "WHERE", "USD"]);
        table.push(vec![cell("a"), cell("https://example.com/very/long/path"), cell("$0.01").right()]);
        table.push(vec![cell("bcd"), cell("日本語"), cell("$10.00").right()]);
        let plain: Vec<String> =
            table.lines(30, 1).iter().map(|l| anstream::adapter::strip_str(l).to_string()).collect();
        assert_eq!(
            plain,
            ["ID   WHERE              USD", "a    https://example.…   $0.01", "bcd  日本語             $10.00"]
        );
    }

    #[test]
    fn a_cell_that_spans_is_told_whole_and_widens_nothing() {
        let mut table = Table::headed(&["A", "B", "C"]);
        table.push(vec![cell("1"), cell("two"), cell("three")]);
        table.push(vec![cell("1"), cell("a long remark").spanning()]);
        let plain: Vec<String> =
            table.lines(80, 2).iter().map(|l| anstream::adapter::strip_str(l).to_string()).collect();
        assert_eq!(plain, ["A  B    C", "1  two  three", "1  a long remark"]);
    }

    #[test]
    fn a_cell_cannot_break_its_line_or_colour_it() {
        let mut table = Table::default();
        table.push(vec![cell("a\n\u{1b}[31mb")]);
        assert_eq!(table.lines(80, 0), ["a [31mb"]);
    }
}
