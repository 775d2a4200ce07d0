//! JSON read so strictly that two readers cannot understand it differently.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// A string, borrowed from the input where it holds no escapes.
pub(crate) struct Text<'de>(pub(crate) Cow<'de, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;
        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(TextVisitor)
    }
}

/// Reads a member that may stand only once.
pub(crate) fn once<'de, A: MapAccess<'de>, T: Deserialize<'de>>(
    slot: &mut Option<T>,
    name: &'static str,
    map: &mut A,
) -> Result<(), A::Error> {
    if slot.is_some() {
        return Err(de::Error::duplicate_field(name));
    }
    *slot = Some(map.next_value()?);
    Ok(())
}

/// How deep arrays and objects may nest: far more than anything that is meant, and far less than
/// what costs a stack.
pub const MAX_DEPTH: usize = 32;

/// The bytes are no JSON object, or one that two readers could understand differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a JSON object in which every member stands once, at most 32 levels deep")]
pub struct NotStrict;

/// Checks that `bytes` are one JSON object without duplicate members at any level, lone
/// surrogates, numbers out of range or more than [`MAX_DEPTH`] levels, in unknown members too.
///
/// # Errors
/// [`NotStrict`]; nothing of the input stands in it.
pub fn check_object(bytes: &[u8]) -> Result<(), NotStrict> {
    struct Object;
    impl<'de> Deserialize<'de> for Object {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserializer
                .deserialize_map(Skip { depth: MAX_DEPTH })
                .map(|()| Self)
        }
    }
    serde_json::from_slice::<Object>(bytes)
        .map_err(|_| NotStrict)
        .map(drop)
}

/// The members we do not know: their values are ignored, but each may stand only once, and the
/// same holds inside them.
pub(crate) struct Unknown<'de> {
    names: BTreeSet<Cow<'de, str>>,
    depth: usize,
}

impl Default for Unknown<'_> {
    fn default() -> Self {
        Self {
            names: BTreeSet::new(),
            depth: MAX_DEPTH,
        }
    }
}

impl<'de> Unknown<'de> {
    pub(crate) fn skip<A: MapAccess<'de>>(
        &mut self,
        name: Text<'de>,
        map: &mut A,
    ) -> Result<(), A::Error> {
        if !self.names.insert(name.0) {
            return Err(de::Error::custom("a member stands twice"));
        }
        map.next_value_seed(Skip { depth: self.depth })
    }
}

/// Passes over any value, without duplicate members at any level.
struct Skip {
    depth: usize,
}

impl Skip {
    fn deeper<E: de::Error>(self) -> Result<usize, E> {
        self.depth
            .checked_sub(1)
            .ok_or_else(|| E::custom("nested too deep"))
    }
}

impl<'de> de::DeserializeSeed<'de> for Skip {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Skip {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }
    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }
    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }
    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }
    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let depth = self.deeper()?;
        while seq.next_element_seed(Skip { depth })?.is_some() {}
        Ok(())
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut members = Unknown {
            names: BTreeSet::new(),
            depth: self.deeper()?,
        };
        while let Some(name) = map.next_key()? {
            members.skip(name, &mut map)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_two_readers_could_understand_differently_is_refused() {
        let too_deep = format!("{{\"a\":{}{}}}", "[".repeat(32), "]".repeat(32));
        for bad in [
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"\u0061":1}"#,
            r#"{"x":[{"a":{"b":1,"b":2}}]}"#,
            r#"{"a":"\ud800"}"#,
            r#"{"a":1e999}"#,
            r#"{"a":[1,]}"#,
            r#"{"a":1} x"#,
            "[]",
            "null",
            "\"a\"",
            "",
            &too_deep,
        ] {
            assert_eq!(check_object(bad.as_bytes()), Err(NotStrict), "{bad}");
        }
        assert!(check_object(&[b'{', b'"', 0xff, b'"', b':', b'1', b'}']).is_err());
        assert!(check_object("[".repeat(100_000).as_bytes()).is_err());
    }

    #[test]
    fn any_other_object_passes() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(31), "]".repeat(31));
        for good in [
            "{}",
            r#"{"a":[null,true,-1,1.5,18446744073709551615,"é"],"b":{"a":1}}"#,
            r#"{"a":123456789012345678901234567890}"#,
            &deep,
        ] {
            assert_eq!(check_object(good.as_bytes()), Ok(()), "{good}");
        }
    }
}
