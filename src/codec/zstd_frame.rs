//! zstd frames: made in two ways, and read back only when there is exactly one of the length that is stated.

use super::coding::CodingError;
use zstd_safe::{CCtx, CParameter, DCtx, ParamSwitch, Strategy};

/// How a zstd frame is made.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Counts bytes and looks for no matches: five times faster on exponents, and smaller.
    Huffman,
    /// With matches, at this level.
    Level(i32),
}

/// The contexts of one thread.
pub struct Zstd {
    huffman: CCtx<'static>,
    level: CCtx<'static>,
    decoder: DCtx<'static>,
}

impl Zstd {
    /// Contexts for both ways and back.
    pub fn new() -> Result<Zstd, CodingError> {
        let failed = |code| CodingError::Setup(zstd_safe::get_error_name(code));
        let context = || CCtx::try_create().ok_or(CodingError::Setup("out of memory"));
        let decoder = DCtx::try_create().ok_or(CodingError::Setup("out of memory"))?;
        let mut zstd = Zstd { huffman: context()?, level: context()?, decoder };
        // `fast` with a huge step looks for the fewest matches; it would then keep literals raw.
        for parameter in [
            CParameter::Strategy(Strategy::ZSTD_fast),
            CParameter::TargetLength(1 << 17),
            CParameter::HashLog(6),
            CParameter::LiteralCompressionMode(ParamSwitch::Enable),
        ] {
            zstd.huffman.set_parameter(parameter).map_err(failed)?;
        }
        Ok(zstd)
    }

    /// Makes one frame; returns its length in `dst`, or `None` when zstd fails.
    pub fn pack(&mut self, mode: Mode, raw: &[u8], dst: &mut Vec<u8>) -> Option<usize> {
        let dst = room(dst, zstd_safe::compress_bound(raw.len()));
        let context = match mode {
            Mode::Huffman => &mut self.huffman,
            Mode::Level(level) => {
                self.level.set_parameter(CParameter::CompressionLevel(level)).ok()?;
                &mut self.level
            }
        };
        context.compress2(dst, raw).ok()
    }

    /// Reads one frame that fills `dst` exactly; nothing else may be in `frame`.
    pub fn unpack(&mut self, frame: &[u8], dst: &mut [u8]) -> Result<(), CodingError> {
        // Checked first: zstd itself would also take several frames in a row, and frames that say to skip them.
        let alone = zstd_safe::find_frame_compressed_size(frame) == Ok(frame.len());
        let declared = matches!(zstd_safe::get_frame_content_size(frame), Ok(Some(len)) if len == dst.len() as u64);
        if dst.is_empty() || !alone || !declared || self.decoder.decompress(dst, frame) != Ok(dst.len()) {
            return Err(CodingError::Damaged);
        }
        Ok(())
    }
}

/// Makes `buffer` at least `len` long and lends that much of it, without clearing what was there.
pub fn room(buffer: &mut Vec<u8>, len: usize) -> &mut [u8] {
    if buffer.len() < len {
        buffer.resize(len, 0);
    }
    &mut buffer[..len]
}
