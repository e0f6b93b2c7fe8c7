//! A ZIP archive in memory, always the same for the same parts: no times, no names of machines.

use std::io::Write;

use anyhow::{Context, Result};
use flate2::Crc;
use flate2::write::DeflateEncoder;

/// A part being written.
pub struct Part {
    name: String,
    encoder: DeflateEncoder<Vec<u8>>,
    crc: Crc,
    size: u64,
}

impl Part {
    /// Begins one.
    pub fn new(name: impl Into<String>) -> Self {
        let encoder = DeflateEncoder::new(Vec::new(), flate2::Compression::default());
        Self { name: name.into(), encoder, crc: Crc::new(), size: 0 }
    }

    /// A whole one.
    ///
    /// # Errors
    /// As [`Part::write`].
    pub fn of(name: impl Into<String>, content: &str) -> Result<Self> {
        let mut part = Self::new(name);
        part.write(content)?;
        Ok(part)
    }

    /// Adds to it.
    ///
    /// # Errors
    /// Never: memory takes everything.
    pub fn write(&mut self, text: &str) -> Result<()> {
        self.crc.update(text.as_bytes());
        self.size += text.len() as u64;
        Ok(self.encoder.write_all(text.as_bytes())?)
    }
}

/// Puts parts together.
///
/// # Errors
/// When it gets larger than the format allows.
pub fn archive(parts: Vec<Part>) -> Result<Vec<u8>> {
    let mut archive = Vec::new();
    let mut directory = Vec::new();
    let count = u16::try_from(parts.len()).context("a workbook with more than 65535 parts")?;
    let too_large = "a workbook of more than 4 GiB: choose fewer tables with --export-tables, or another form";
    for part in parts {
        let offset = u32::try_from(archive.len()).context(too_large)?;
        let size = u32::try_from(part.size).context(too_large)?;
        let crc = part.crc.sum();
        let packed = part.encoder.finish()?;
        let packed_size = u32::try_from(packed.len()).context(too_large)?;
        let name_length = u16::try_from(part.name.len()).context("a part with a name of more than 64 KiB")?;
        let mut both = Vec::new();
        both.extend(20_u16.to_le_bytes());
        both.extend(0_u16.to_le_bytes());
        both.extend(8_u16.to_le_bytes());
        // Midnight of the first day the format knows.
        both.extend(0_u16.to_le_bytes());
        both.extend(0x21_u16.to_le_bytes());
        both.extend(crc.to_le_bytes());
        both.extend(packed_size.to_le_bytes());
        both.extend(size.to_le_bytes());
        both.extend(name_length.to_le_bytes());
        both.extend(0_u16.to_le_bytes());
        archive.extend(b"PK\x03\x04");
        archive.extend(&both);
        archive.extend(part.name.as_bytes());
        archive.extend(packed);
        directory.extend(b"PK\x01\x02");
        directory.extend(20_u16.to_le_bytes());
        directory.extend(&both);
        directory.extend([0; 10]);
        directory.extend(offset.to_le_bytes());
        directory.extend(part.name.as_bytes());
    }
    let begin = u32::try_from(archive.len()).context(too_large)?;
    let length = u32::try_from(directory.len()).context(too_large)?;
    archive.extend(directory);
    archive.extend(b"PK\x05\x06");
    archive.extend([0; 4]);
    archive.extend(count.to_le_bytes());
    archive.extend(count.to_le_bytes());
    archive.extend(length.to_le_bytes());
    archive.extend(begin.to_le_bytes());
    archive.extend([0; 2]);
    Ok(archive)
}
