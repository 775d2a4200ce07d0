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
