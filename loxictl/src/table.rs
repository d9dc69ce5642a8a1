//! Tables as kubectl prints them: upper-case titles, plain columns, no borders.

use comfy_table::{Cell as StyledCell, Color, ColumnConstraint, Table as Layout, Width, presets};

#[cfg(test)]
mod tests;

/// Space between columns.
const GAP: u16 = 3;

/// A column of a table. `wide` ones appear with `-o wide` only.
pub struct Column {
    pub title: &'static str,
    pub wide: bool,
}

/// A column of every table.
pub const fn column(title: &'static str) -> Column {
    Column { title, wide: false }
}

/// A column of `-o wide`.
pub const fn wide(title: &'static str) -> Column {
    Column { title, wide: true }
}

/// How a cell is to be seen: colour where there is colour, and nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    Plain,
    Good,
    Warning,
    Bad,
}

/// One value of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    pub text: String,
    pub tone: Tone,
}

impl Cell {
    pub fn toned(text: impl ToString, tone: Tone) -> Self {
        Self {
            text: text.to_string(),
            tone,
        }
    }

    /// `-` where there is no value.
    pub fn maybe(value: Option<impl ToString>) -> Self {
        value.map_or_else(|| "-".into(), |value| value.to_string().into())
    }
}

impl<T: ToString> From<T> for Cell {
    fn from(value: T) -> Self {
        Self {
            text: value.to_string(),
            tone: Tone::Plain,
        }
    }
}

/// Prints rows in blocks under one header: later blocks keep at least the widths of earlier ones.
pub struct Table {
    columns: &'static [Column],
    wide: bool,
    colour: bool,
    widths: Vec<u16>,
}

impl Table {
    pub fn new(columns: &'static [Column], wide: bool, colour: bool) -> Self {
        Self {
            columns,
            wide,
            colour,
            widths: Vec::new(),
        }
    }

    /// The next block as text, each line ended. The first one starts with the header.
    pub fn block(&mut self, rows: impl IntoIterator<Item = Vec<Cell>>) -> String {
        let mut layout = Layout::new();
        layout.load_preset(presets::NOTHING);
        if self.colour {
            layout.enforce_styling();
        } else {
            layout.force_no_tty();
        }
        if self.widths.is_empty() {
            layout.add_row(self.shown().map(|column| column.title));
        }
        for row in rows {
            let cells = self
                .columns
                .iter()
                .zip(row)
                .filter(|(column, _)| self.wide || !column.wide);
            layout.add_row(cells.map(|(_, cell)| styled(cell)).collect::<Vec<_>>());
        }
        let mut widths = layout.column_max_content_widths();
        widths.resize(self.shown().count(), 0);
        for (width, earlier) in widths.iter_mut().zip(self.widths.iter()) {
            *width = (*width).max(*earlier);
        }
        for (column, width) in layout.column_iter_mut().zip(&widths) {
            column.set_padding((0, GAP));
            column.set_constraint(ColumnConstraint::Absolute(Width::Fixed(width + GAP)));
        }
        self.widths = widths;
        layout
            .lines()
            .map(|line| format!("{}\n", line.trim_end()))
            .collect()
    }

    fn shown(&self) -> impl Iterator<Item = &'static Column> + use<> {
        let wide = self.wide;
        self.columns
            .iter()
            .filter(move |column| wide || !column.wide)
    }
}

fn styled(cell: Cell) -> StyledCell {
    let styled = StyledCell::new(cell.text);
    match cell.tone {
        Tone::Plain => styled,
        Tone::Good => styled.fg(Color::Green),
        Tone::Warning => styled.fg(Color::Yellow),
        Tone::Bad => styled.fg(Color::Red),
    }
}
