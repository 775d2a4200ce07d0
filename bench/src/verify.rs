//! What a check costs: of a token that is known, beside SHA-256 of it and a look into a map; of a new
//! one, beside the bare check of its signature.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::hint::black_box;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ParsedPublicKey};
use countersign_guard::Guard;
use countersign_token::crypto::{sha256, unb64};
use serde_json::Value;

use crate::clock::timed;
use crate::report::{Bar, Judged, Report};
use crate::site::Site;
use crate::stats::Samples;

pub(crate) async fn measure(report: &mut Report, quick: bool) {
    eprintln!("== the check of one token");
    let site = Site::start().await;
    let tokens = site.tokens(2_000).await;
    let rounds = if quick { 20 } else { 200 };
    let guard = follow(&site, &tokens).await;
    warm(report, &guard, &tokens[..1_000], rounds);
    let key = public_key(&site).await;
    let signed: Vec<Signed> = tokens.iter().map(|token| Signed::of(token)).collect();
    let mut cold = Cold::default();
    for _ in 0..if quick { 2 } else { 10 } {
        // Each has never seen any of them.
        let guard = follow(&site, &[]).await;
        cold.round(&guard, &key, &tokens, &signed);
    }
    cold.report(report);
}

/// A guard of the site that is current, and knows these tokens.
pub(crate) async fn follow(site: &Site, tokens: &[String]) -> Guard {
    let builder = Guard::builder(&site.url()).credentials(Site::SERVICE, &site.secret);
    let guard = builder.connect().await.expect("a guard");
    for token in tokens {
        guard.check(token).await.expect("good");
    }
    guard
}

/// A pass over warm tokens, in nanoseconds for each.
pub(crate) fn pass(guard: &Guard, tokens: &[String]) -> f64 {
    let whole = timed(|| {
        for token in tokens {
            black_box(guard.verify(black_box(token)).expect("good"));
        }
    });
    whole / tokens.len() as f64
}

fn warm(report: &mut Report, guard: &Guard, tokens: &[String], rounds: usize) {
    let mut known: HashMap<[u8; 32], usize, BuildHasherDefault<FirstBytes>> = HashMap::default();
    for (n, token) in tokens.iter().enumerate() {
        known.insert(sha256(token.as_bytes()), n);
    }
    let floor = || {
        let whole = timed(|| {
            for token in tokens {
                let digest = sha256(black_box(token).as_bytes());
                black_box(known.get(&digest).expect("known"));
            }
        });
        whole / tokens.len() as f64
    };
    let [mut ratios, mut checks, mut floors] = [(); 3].map(|()| Samples::default());
    for round in 0..rounds {
        // Whoever comes second finds the caches warmer.
        let (check, floor) = if round % 2 == 0 {
            let check = pass(guard, tokens);
            (check, floor())
        } else {
            let floor = floor();
            (pass(guard, tokens), floor)
        };
        ratios.push(check / floor);
        checks.push(check);
        floors.push(floor);
    }
    report.note(format!(
        "Warm check: `Guard::verify` of {} tokens of {} bytes that were seen before, median {:.0} \
         ns; SHA-256 of the token and one look into a `HashMap` whose hash is eight bytes of it, \
         median {:.0} ns; one thread, rounds of both in turn, the ratio within each round.",
        tokens.len(),
        tokens[0].len(),
        checks.median(),
        floors.median(),
    ));
    let bar = Bar::AtMost(1.5);
    report.bar(
        "warm check / (SHA-256 + map)",
        bar,
        "x",
        ratios,
        Judged::Median,
    );
}

/// A token with its signature apart and decoded, so that the bare check has nothing else to do.
struct Signed {
    message: String,
    signature: Vec<u8>,
}

impl Signed {
    fn of(token: &str) -> Self {
        let (message, signature) = token.rsplit_once('.').expect("three parts");
        let signature = unb64(signature).expect("base64url");
        Self {
            message: message.to_owned(),
            signature,
        }
    }
}

async fn public_key(site: &Site) -> ParsedPublicKey {
    let jwks: Value = site.get("/.well-known/jwks.json").await;
    let key = &jwks["keys"][0];
    assert_eq!(key["alg"], "ES256");
    let coordinate = |name: &str| unb64(key[name].as_str().expect("text")).expect("base64url");
    // SEC 1 section 2.3.3: an uncompressed point.
    let point = [vec![4], coordinate("x"), coordinate("y")].concat();
    ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).expect("a point on the curve")
}

#[derive(Default)]
struct Cold {
    ratios: Samples,
    checks: Samples,
    bare: Samples,
}

/// Tokens timed in one piece: so few that a disturbance spoils little, so many that the clock's own
/// cost does not matter.
const BATCH: usize = 20;

impl Cold {
    fn round(
        &mut self,
        guard: &Guard,
        key: &ParsedPublicKey,
        tokens: &[String],
        signed: &[Signed],
    ) {
        for (n, (tokens, signed)) in tokens.chunks(BATCH).zip(signed.chunks(BATCH)).enumerate() {
            let check = || {
                timed(|| {
                    for token in tokens {
                        black_box(guard.verify(black_box(token)).expect("good"));
                    }
                })
            };
            let bare = || {
                timed(|| {
                    for Signed { message, signature } in signed {
                        let message = black_box(message).as_bytes();
                        key.verify_sig(message, signature).expect("signed");
                    }
                })
            };
            let (check, bare) = if n % 2 == 0 {
                let check = check();
                (check, bare())
            } else {
                let bare = bare();
                (check(), bare)
            };
            self.ratios.push(check / bare);
            self.checks.push(check / tokens.len() as f64);
            self.bare.push(bare / tokens.len() as f64);
        }
    }

    fn report(self, report: &mut Report) {
        report.note(format!(
            "First check: `Guard::verify` of ES256 tokens that this guard never saw, median {:.1} \
             us; aws-lc-rs with a prepared key over the same bytes, signature decoded beforehand, \
             median {:.1} us; batches of {BATCH} in turn, the ratio within each pair of batches.",
            self.checks.median() / 1e3,
            self.bare.median() / 1e3,
        ));
        let bar = Bar::AtMost(1.05);
        report.bar(
            "first check / bare ES256",
            bar,
            "x",
            self.ratios,
            Judged::Median,
        );
    }
}

/// The cheapest hash for what is a digest already.
#[derive(Default)]
struct FirstBytes(u64);

impl Hasher for FirstBytes {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk() {
            self.0 = u64::from_le_bytes(*first);
        }
    }

    fn write_usize(&mut self, _: usize) {}
}
