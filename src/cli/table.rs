//! A small table with aligned columns.

use console::measure_text_width;

/// Which edge the cells of a column keep to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// Rows of cells below headings. A cell may have several lines.
#[derive(Debug)]
pub struct Table {
    columns: Vec<(&'static str, Side)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table without rows.
    pub fn new(columns: &[(&'static str, Side)]) -> Table {
        Table { columns: columns.to_vec(), rows: Vec::new() }
    }

    /// Adds a row with a cell for each column.
    pub fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// The table with headings and a rule. A column without a single word in it is left out.
    pub fn render(&self) -> String {
        let shown: Vec<usize> = (0..self.columns.len())
            .filter(|&column| self.rows.iter().any(|row| row.get(column).is_some_and(|cell| !cell.is_empty())))
            .collect();
        let width = |&column: &usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column)).flat_map(|cell| cell.lines());
            cells.chain([self.columns[column].0]).map(measure_text_width).max().unwrap_or(0)
        };
        let widths: Vec<usize> = shown.iter().map(width).collect();
        let mut text = String::new();
        let head: Vec<&str> = shown.iter().map(|&column| self.columns[column].0).collect();
        self.line(&mut text, &shown, &widths, &head);
        let total = widths.iter().sum::<usize>() + 2 * widths.len().saturating_sub(1);
        text.push_str(&"-".repeat(total));
        text.push('\n');
        for row in &self.rows {
            let cells: Vec<Vec<&str>> =
                shown.iter().map(|&column| row.get(column).map_or(Vec::new(), |cell| cell.lines().collect())).collect();
            for line in 0..cells.iter().map(Vec::len).max().unwrap_or(0) {
                let parts: Vec<&str> = cells.iter().map(|cell| cell.get(line).copied().unwrap_or("")).collect();
                self.line(&mut text, &shown, &widths, &parts);
            }
        }
        text
    }

    fn line(&self, text: &mut String, shown: &[usize], widths: &[usize], parts: &[&str]) {
        let mut line = String::new();
        for ((&column, &width), part) in shown.iter().zip(widths).zip(parts) {
            if !line.is_empty() {
                line.push_str("  ");
            }
            let pad = " ".repeat(width.saturating_sub(measure_text_width(part)));
            match self.columns[column].1 {
                Side::Left => line.extend([*part, &pad]),
                Side::Right => line.extend([&pad, *part]),
            }
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_empty_ones_left_out() {
        let mut table =
            Table::new(&[("ID", Side::Left), ("Label", Side::Left), ("Paths", Side::Left), ("Size", Side::Right)]);
        table.row(vec!["ab".into(), String::new(), "/x\n/yy/zz".into(), "1.0 kB".into()]);
        table.row(vec!["日本".into(), String::new(), "/é".into(), "12 B".into()]);
        assert_eq!(
            table.render(),
            "ID    Paths     Size\n--------------------\nab    /x      1.0 kB\n      /yy/zz\n日本  /é        12 B\n"
        );
    }
}
