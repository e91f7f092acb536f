//! What holds for every format: a file cut short is broken, and no bytes stop a parser.

use super::*;
use proptest::prelude::*;

/// A good file of every format.
fn samples() -> Vec<(&'static dyn Format, Vec<u8>)> {
    let [old, new] = hdf5::samples();
    let keras = zip::build_large(&[("config.json", b"{}"), ("model.weights.h5", &new)]);
    vec![
        (&safetensors::Safetensors, safetensors::tests::sample()),
        (&dcp::Shard, dcp::sample_shard()),
        (&dcp::Metadata, dcp::sample()),
        (&zip::Keras, keras),
        (&onnx::Onnx, onnx::sample()),
        (&tensorflow::Index, tensorflow::sample()),
        (&tensorflow::SavedModel, tensorflow::sample_model()),
        (&npy::Npz, npy::sample_archive()),
        (&torch_zip::TorchZip, torch_zip::sample()),
        (&torch_zip::TorchZip, torch_zip::sample_one()),
        (&npy::Npy, npy::sample()),
        (&gguf::Gguf, gguf::sample()),
        (&hdf5::Hdf5, old),
        (&hdf5::Hdf5, new),
        (&parquet::Parquet, parquet::sample()),
        (&tar::Tar, tar::sample()),
    ]
}

#[test]
fn every_format_has_a_good_file() {
    for format in FORMATS {
        assert!(samples().iter().any(|(other, _)| other.name() == format.name()), "{}", format.name());
    }
    for (format, bytes) in samples() {
        assert!(read_slice(format, &bytes).is_ok(), "{}: {:?}", format.name(), read_slice(format, &bytes));
    }
}

#[test]
fn every_file_cut_short_is_broken() {
    for (format, bytes) in samples() {
        // Nothing may be in a shard at all, and where an archive of it ends it may have ended.
        let may_end = |len: usize| format.name() == "torch-dcp" && len.is_multiple_of(bytes.len() / 2);
        for len in (0..bytes.len()).filter(|len| !may_end(*len)) {
            let found = read_slice(format, &bytes[..len]);
            assert!(matches!(found, Err(Fault::Broken(_))), "{} of {len} bytes: {found:?}", format.name());
        }
    }
}

#[test]
fn names_and_first_bytes_tell_the_format() {
    let told = |name: &str, bytes: &[u8]| of(name.as_bytes(), &bytes[..bytes.len().min(HEAD)]).map(Format::name);
    for (name, bytes, format) in [
        ("__0_0.distcp", torch_zip::sample_one(), Some("torch-dcp")),
        ("blob", torch_zip::sample_one(), Some("torch")),
        ("optimizer.bin", torch_zip::sample(), Some("torch")),
        ("optimizer.bin", b"other".to_vec(), None),
        ("tutor.pt", b"other".to_vec(), None),
        ("unwritten.pt", vec![0; 600], Some("torch")),
        ("last.ckpt", vec![0; 600], Some("torch")),
        ("pytorch_model-00001-of-00002.bin", Vec::new(), Some("torch")),
        ("blob", gguf::sample(), Some("gguf")),
        ("blob", npy::sample_archive(), Some("npz")),
        ("blob", tar::sample(), Some("tar")),
        ("m.keras", npy::sample_archive(), Some("keras")),
        ("ckpt-1.index", Vec::new(), Some("tensorflow-index")),
        ("faiss-ckpt.index", b"IxF2".to_vec(), None),
        ("old.keras", hdf5::samples()[1].clone(), Some("hdf5")),
        ("weights.index", tensorflow::sample(), Some("tensorflow-index")),
        ("notes.txt", b"PK".to_vec(), None),
    ] {
        assert_eq!(told(name, &bytes), format, "{name}");
    }
}

/// Instructions of pickles, and bytes that come behind them.
const INSTRUCTIONS: &[u8] = b"}]()(NK\x01q\x01h\x00aeusbtR\x81Qcm\nn\n\x94\x8c\x93\x85\x8621d.";

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn damage_stops_no_parser(flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        for (format, mut bytes) in samples() {
            for (at, byte) in &flips {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
                let _ = read_slice(format, &bytes);
                let _ = (dcp::shards(&bytes), tensorflow::shards(&bytes));
            }
        }
    }

    #[test]
    fn no_bytes_stop_a_parser(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        for (format, sample) in samples() {
            let _ = read_slice(format, &bytes);
            let _ = read_slice(format, &[&sample[..sample.len() / 2], &bytes].concat());
            let _ = read_slice(format, &[&bytes, &sample[sample.len() / 2..]].concat());
        }
    }

    #[test]
    fn no_pickle_stops_the_reader(bytes in prop::collection::vec(prop::sample::select(INSTRUCTIONS), 0..200)) {
        let _ = pickle::parse(&bytes);
        let archive = zip::build(&[("m/data.pkl", &bytes), ("m/data/0", &[0; 8])]);
        let _ = read_slice(&torch_zip::TorchZip, &archive);
    }
}
