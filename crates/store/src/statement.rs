//! SQL statements, each declared once and registered where it is declared.

/// One statement, in `$1` style, the same text for both engines.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Statement {
    /// Where it is declared, for messages.
    #[cfg_attr(not(test), allow(dead_code))]
    pub(crate) name: &'static str,
    /// The text.
    pub(crate) sql: &'static str,
}

impl Statement {
    /// The text for many rows at once: what stands in `VALUES (…)`, the placeholders of one row and
    /// no others, is repeated with placeholders that go on counting. What stands around it is the
    /// registered text, so both engines take the one where they take the other.
    pub(crate) fn repeated(self, rows: usize, columns: usize) -> Option<String> {
        let tuple = |row: usize| {
            let places = (1..=columns).map(|column| format!("${}", row * columns + column));
            format!("({})", places.collect::<Vec<_>>().join(", "))
        };
        let (before, after) = self.sql.split_once(&format!("VALUES {}", tuple(0)))?;
        if after.contains('$') {
            return None;
        }
        let tuples: Vec<_> = (0..rows).map(tuple).collect();
        Some(format!("{before}VALUES {}{after}", tuples.join(", ")))
    }
}

/// Declares the statements of one module and registers all of them.
///
/// A [`Statement`] is made nowhere else, so the test that prepares every registered one on both
/// engines cannot miss any.
macro_rules! statements {
    ($($name:ident = $sql:expr;)*) => {
        $(const $name: $crate::statement::Statement = $crate::statement::Statement {
            name: concat!(module_path!(), "::", stringify!($name)),
            sql: $sql,
        };)*

        #[cfg(test)]
        pub(crate) const STATEMENTS: &[$crate::statement::Statement] = &[$($name),*];
    };
}
pub(crate) use statements;

/// Gathers the statements of all modules that declare some; a test compares the list with the
/// files.
#[cfg(test)]
macro_rules! gather {
    ($($module:ident),* $(,)?) => {
        /// The modules that declare statements.
        const MODULES: &[&str] = &[$(stringify!($module)),*];

        /// Every statement that this crate can send.
        fn every_statement() -> impl Iterator<Item = $crate::statement::Statement> {
            [$($crate::$module::STATEMENTS),*].into_iter().flatten().copied()
        }
    };
}
#[cfg(test)]
pub(crate) use gather;

#[cfg(test)]
mod tests {
    statements! {
        ONE = "INSERT INTO t (a, b) VALUES ($1, $2) ON CONFLICT (a) DO NOTHING RETURNING a";
        REUSED = "INSERT INTO t (a, b) VALUES ($1, $2) ON CONFLICT (a) DO UPDATE SET b = $2";
    }

    #[test]
    fn only_a_row_of_placeholders_is_repeated() {
        assert_eq!(STATEMENTS.len(), 2);
        assert_eq!(ONE.repeated(2, 3), None);
        assert_eq!(REUSED.repeated(2, 2), None);
        assert_eq!(
            ONE.repeated(3, 2).as_deref(),
            Some(
                "INSERT INTO t (a, b) VALUES ($1, $2), ($3, $4), ($5, $6) \
                 ON CONFLICT (a) DO NOTHING RETURNING a"
            )
        );
    }
}
