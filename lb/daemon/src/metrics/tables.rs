//! How full the tables are.

use super::page::{Page, by_name};
use crate::reconcile::Outcome;

pub fn add(page: &mut Page, outcome: &Outcome) {
    let tables = outcome.usage.iter();
    page.gauges(
        "loxid_table_entries",
        "Rows of a table in use.",
        ["table"],
        &by_name(tables.clone().map(|(table, used, _)| (*table, *used))),
    );
    page.gauges(
        "loxid_table_capacity",
        "Rows that a table has.",
        ["table"],
        &by_name(tables.map(|(table, _, capacity)| (*table, *capacity))),
    );
}
