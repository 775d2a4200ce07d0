//! `docs/reference/subjects.json`, published for whoever writes a follower. It was not made by this
//! program: a follower that hashes otherwise than the issuer lets everybody in, and says nothing.

use std::collections::BTreeSet;

use countersign_token::{Scope, Subject};
use serde::Deserialize;

const PUBLISHED: &str = include_str!("../../../../docs/reference/subjects.json");

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Vector {
    scope: Scope,
    id: String,
    subject: Subject,
}

#[test]
fn the_published_subjects_are_ours() {
    let vectors: Vec<Vector> = serde_json::from_str(PUBLISHED).unwrap();
    for Vector { scope, id, subject } in &vectors {
        assert_eq!(Subject::of(*scope, id), *subject, "{scope}:{id}");
    }
    let scopes: BTreeSet<_> = vectors.iter().map(|vector| vector.scope.as_str()).collect();
    assert_eq!(scopes.len(), 5);
    let subjects: BTreeSet<_> = vectors.iter().map(|vector| vector.subject).collect();
    assert_eq!(subjects.len(), vectors.len(), "none stands for two");
    // The bytes are hashed as UTF-8 and as they are: no normalisation makes two ids one.
    let zoes = vectors.iter().filter(|vector| {
        let id = vector.id.as_str();
        id == "zo\u{eb}" || id == "zoe\u{308}"
    });
    assert_eq!(zoes.count(), 2);
}
