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

/// Declares the modules that speak to the database, and gathers their statements.
macro_rules! tables {
    ($($(#[$doc:meta])* $module:ident,)*) => {
        $($(#[$doc])* pub mod $module;)*

        /// Every statement that this crate can send.
        #[cfg(test)]
        pub(crate) fn every_statement() -> impl Iterator<Item = statement::Statement> {
            [$($module::STATEMENTS),*].into_iter().flatten().copied()
        }
    };
}
pub(crate) use tables;
