//! Medians and percentiles, by the nearest rank: every figure is one that was measured.

/// What was measured several times.
#[derive(Clone, Default)]
pub(crate) struct Samples(Vec<f64>);

impl Samples {
    pub(crate) fn push(&mut self, value: f64) {
        self.0.push(value);
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Each beside the one that was measured in the same round: what else the machine did then, it
    /// did to both.
    pub(crate) fn beside(&self, other: &Self) -> Self {
        assert_eq!(self.len(), other.len(), "rounds");
        Self(self.0.iter().zip(&other.0).map(|(a, b)| a / b).collect())
    }

    /// The smallest that at least this share of the samples does not exceed.
    pub(crate) fn at(&self, share: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let rank = (share * sorted.len() as f64).ceil() as usize;
        sorted[rank.clamp(1, sorted.len()) - 1]
    }

    pub(crate) fn median(&self) -> f64 {
        self.at(0.5)
    }

    pub(crate) fn p99(&self) -> f64 {
        self.at(0.99)
    }

    pub(crate) fn max(&self) -> f64 {
        self.at(1.0)
    }

    pub(crate) fn min(&self) -> f64 {
        self.at(0.0)
    }
}

impl FromIterator<f64> for Samples {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Self {
        Self(values.into_iter().collect())
    }
}

impl IntoIterator for Samples {
    type Item = f64;
    type IntoIter = std::vec::IntoIter<f64>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl Extend<f64> for Samples {
    fn extend<I: IntoIterator<Item = f64>>(&mut self, values: I) {
        self.0.extend(values);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_of_what_was_measured() {
        let mut samples = Samples::default();
        samples.extend((1..=200).rev().map(f64::from));
        assert_eq!(
            (samples.median(), samples.p99(), samples.max()),
            (100.0, 198.0, 200.0)
        );
        let mut one = Samples::default();
        one.push(7.0);
        assert_eq!((one.median(), one.p99(), one.min()), (7.0, 7.0, 7.0));
    }

    #[test]
    fn a_ratio_is_taken_within_its_round() {
        // The machine halves its pace in the second round; the ratio does not notice.
        let ours: Samples = [80.0, 40.0, 160.0].into_iter().collect();
        let theirs: Samples = [100.0, 50.0, 100.0].into_iter().collect();
        let ratio = ours.beside(&theirs);
        assert_eq!((ratio.min(), ratio.median(), ratio.max()), (0.8, 0.8, 1.6));
    }
}
