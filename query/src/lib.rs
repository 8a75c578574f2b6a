//! Questions to the table.
