//! Log lines and progress, both on stderr: pretty with bars on a terminal, one JSON object a line elsewhere.

use std::io::{self, IsTerminal, Write};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::debug_fn;

use crate::settings::LogFormat;

/// Where progress is drawn; hidden unless a person watches.
#[derive(Clone)]
pub struct Progress(MultiProgress);

impl Progress {
    /// A bar that counts to `length`, or a spinner where the length is not known yet.
    pub fn bar(&self, label: &str, length: Option<u64>) -> ProgressBar {
        let template = match length {
            Some(_) => "{prefix:>22} {bar:20.cyan/dim} {pos:>6}/{len:6} {wide_msg:.dim}",
            None => "{prefix:>22} {spinner} {pos:>6} {wide_msg}",
        };
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = length.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
        self.0.add(bar.with_style(style).with_prefix(label.to_owned()))
    }
}

/// Starts logging and returns where progress is drawn. `RUST_LOG` chooses what is logged; by default our own
/// information and other people's warnings.
pub fn start(format: LogFormat) -> Progress {
    let watched = io::stderr().is_terminal();
    let pretty = match format {
        LogFormat::Auto => watched,
        LogFormat::Pretty => true,
        LogFormat::Json => false,
    };
    let bars = MultiProgress::with_draw_target(if pretty && watched {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    });
    let progress = Progress(bars);
    // A person sees one run; a collector needs its name on every line.
    let naming = if pretty { "off" } else { "info" };
    let ours = "warn,spectra_common=info,spectra_source=info,spectra_prepare=info,spectra_clean=info,\
                spectra_transform=info,spectra_refine=info,spectra_analyse=info";
    let filter =
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(format!("{ours},spectra_run={naming}")));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(BesideBars(progress.clone()));
    // A second start in one process keeps the first: only tests do that.
    let _ = if pretty {
        // The message says in words what the fields say for machines.
        let message_only = debug_fn(|writer, field, value| match field.name() {
            "message" => writer.write_str(&harmless(&format!("{value:?}"))),
            _ => Ok(()),
        });
        builder.with_target(false).with_ansi(watched).without_time().fmt_fields(message_only).try_init()
    } else {
        builder.json().flatten_event(true).with_target(false).with_span_list(false).try_init()
    };
    progress
}

/// A message without what would steer a terminal: there may be names in it that anybody could type.
fn harmless(message: &str) -> String {
    let steers = |letter: char| {
        (letter.is_control() && !matches!(letter, '\n' | '\t'))
            || matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    message.chars().map(|letter| if steers(letter) { '\u{fffd}' } else { letter }).collect()
}

/// Writes log lines above the bars instead of through them.
#[derive(Clone)]
struct BesideBars(Progress);

impl Write for BesideBars {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.0.suspend(|| io::stderr().write_all(bytes))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

impl MakeWriter<'_> for BesideBars {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// Keeps to itself a panic that delta-rs causes and catches when a file cannot be written to its end, and for which
/// there is an error as well. Every other panic is told of as usual.
pub fn hush_caught_panics() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let is_caught = panic
            .location()
            .is_some_and(|place| place.file().contains("object_store") && place.file().ends_with("buffered.rs"));
        if !is_caught {
            usual(panic);
        }
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_does_not_steer_a_terminal() {
        assert_eq!(harmless("é\n\ta"), "é\n\ta");
        assert_eq!(harmless("\u{1b}[31m\u{0}\r\u{202e}"), "\u{fffd}[31m\u{fffd}\u{fffd}\u{fffd}");
    }
}
