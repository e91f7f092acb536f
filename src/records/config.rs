//! The configuration of a repository: written once by `init`.

use crate::spec::{CUT_LARGE, CUT_LARGE_FROM, CUT_SMALL, FORMAT_VERSION, PACK_TARGET};
use serde::{Deserialize, Serialize};

/// Sizes of chunks: least, average and most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CutSizes {
    /// No chunk but the last of a stretch is shorter.
    pub min: usize,
    /// What the cuts aim at.
    pub average: usize,
    /// No chunk is longer.
    pub max: usize,
}

/// How files are cut into chunks. Changing any of it would end deduplication with what is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CutRules {
    /// The two-stage cutter is 1.
    pub version: u32,
    /// For files below `large_from`.
    pub small: CutSizes,
    /// For files of `large_from` bytes and more.
    pub large: CutSizes,
    /// Where large begins, in bytes.
    pub large_from: u64,
}

/// What `config/0` holds, as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// The repository format.
    pub version: u32,
    /// The repository's random id, 64 hexadecimal digits.
    pub id: crate::id::Id,
    /// When it was made, RFC 3339.
    pub created: String,
    /// How files are cut.
    pub cut: CutRules,
    /// Bytes at which a pack is closed.
    pub pack_size: usize,
    /// Features without which a program must not read the repository.
    pub features_read: Vec<String>,
    /// Features without which a program must not write to the repository.
    pub features_write: Vec<String>,
}

impl Config {
    /// The configuration of a new repository.
    pub fn new(id: crate::id::Id, created: String) -> Config {
        let sizes = |(min, average, max)| CutSizes { min, average, max };
        Config {
            version: FORMAT_VERSION.into(),
            id,
            created,
            cut: CutRules { version: 1, small: sizes(CUT_SMALL), large: sizes(CUT_LARGE), large_from: CUT_LARGE_FROM },
            pack_size: PACK_TARGET,
            features_read: Vec::new(),
            features_write: Vec::new(),
        }
    }

    /// What this program would have to know before it may write to the repository: an unknown feature or cut rule.
    pub fn unwritable(&self) -> Option<String> {
        let feature = self.features_write.first().map(|feature| format!("feature {feature:?}"));
        feature.or_else(|| (self.cut.version != 1).then(|| format!("cut rules {}", self.cut.version)))
    }

    /// The JSON text.
    pub fn to_bytes(&self) -> Result<Vec<u8>, String> {
        serde_json::to_vec_pretty(self).map_err(|e| e.to_string())
    }

    /// Reads the JSON text, and checks every limit. What tells a newer repository is looked at first, because all else may
    /// have another shape there.
    pub fn from_bytes(bytes: &[u8]) -> Result<Config, ConfigError> {
        #[derive(Deserialize)]
        struct Newer {
            version: u32,
            #[serde(default)]
            features_read: Vec<String>,
        }
        let broken = |e: serde_json::Error| ConfigError::Broken(e.to_string());
        let newer: Newer = serde_json::from_slice(bytes).map_err(broken)?;
        if newer.version != u32::from(FORMAT_VERSION) {
            return Err(ConfigError::Newer(format!("format version {}", newer.version)));
        }
        if let Some(feature) = newer.features_read.first() {
            return Err(ConfigError::Newer(format!("feature {feature:?}")));
        }
        let config: Config = serde_json::from_slice(bytes).map_err(broken)?;
        for sizes in [config.cut.small, config.cut.large] {
            let sane = 64 <= sizes.min && sizes.min <= sizes.average && sizes.average <= sizes.max;
            if !sane || sizes.max > 8 << 20 || !sizes.average.is_power_of_two() {
                return Err(ConfigError::Broken(format!("chunk sizes {sizes:?} are out of bounds")));
            }
        }
        if !(1 << 20..=256 << 20).contains(&config.pack_size) {
            return Err(ConfigError::Broken(format!("pack size {} is out of bounds", config.pack_size)));
        }
        Ok(config)
    }
}

/// Why a configuration cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigError {
    /// A newer lastgood made the repository.
    Newer(String),
    /// It is not what we write.
    Broken(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newer_is_told_from_broken() {
        let config = Config::new(crate::id::Id([1; 32]), "2026-01-01T00:00:00Z".into());
        assert_eq!(Config::from_bytes(&config.to_bytes().unwrap()), Ok(config.clone()));
        assert_eq!(
            Config::from_bytes(br#"{"version": 2, "shape": "unknown"}"#),
            Err(ConfigError::Newer("format version 2".into()))
        );
        let newer = Config { features_read: vec!["holograms".into()], ..config.clone() };
        let error = Config::from_bytes(&newer.to_bytes().unwrap());
        assert_eq!(error, Err(ConfigError::Newer("feature \"holograms\"".into())));
        let later = Config { features_write: vec!["lasers".into()], ..config.clone() };
        assert_eq!(
            Config::from_bytes(&later.to_bytes().unwrap()).unwrap().unwritable(),
            Some("feature \"lasers\"".into())
        );
        assert_eq!(config.unwritable(), None);
        let mut broken = config;
        broken.cut.small.min = 0;
        assert!(matches!(Config::from_bytes(&broken.to_bytes().unwrap()), Err(ConfigError::Broken(_))));
        assert!(matches!(Config::from_bytes(b"{"), Err(ConfigError::Broken(_))));
    }
}
