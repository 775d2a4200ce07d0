//! Values that statements are given: five types that both engines have.

use countersign_core::{Seq, Timestamp};

/// One bound value.
#[derive(Debug, Clone)]
pub(crate) enum Arg {
    Text(Option<String>),
    Int(Option<i64>),
    Bool(bool),
    Bytes(Option<Vec<u8>>),
}

macro_rules! arg_from {
    ($($from:ty => |$value:ident| $arg:expr;)*) => {
        $(impl From<$from> for Arg {
            fn from($value: $from) -> Self { $arg }
        })*
    };
}

arg_from! {
    &str => |v| Self::Text(Some(text(v)));
    String => |v| Self::Text(Some(text(&v)));
    Option<String> => |v| Self::Text(v.as_deref().map(text));
    Option<&str> => |v| Self::Text(v.map(text));
    i64 => |v| Self::Int(Some(v));
    Option<i64> => |v| Self::Int(v);
    bool => |v| Self::Bool(v);
    Vec<u8> => |v| Self::Bytes(Some(v));
    &[u8] => |v| Self::Bytes(Some(v.to_vec()));
    Option<Vec<u8>> => |v| Self::Bytes(v);
    Timestamp => |v| Self::Int(Some(v.as_millis()));
    Option<Timestamp> => |v| Self::Int(v.map(Timestamp::as_millis));
    Seq => |v| Self::Int(Some(v.0));
}

impl<const N: usize> From<&[u8; N]> for Arg {
    fn from(bytes: &[u8; N]) -> Self {
        Self::Bytes(Some(bytes.to_vec()))
    }
}

/// Text that PostgreSQL takes as well: it has no NUL, and would fail where SQLite finds nothing.
fn text(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// `args![a, b]`: the values of a statement in order.
macro_rules! args {
    ($($value:expr),* $(,)?) => { vec![$($crate::args::Arg::from($value)),*] };
}
pub(crate) use args;
