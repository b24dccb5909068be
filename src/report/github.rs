//! Diagnostics as workflow commands of GitHub Actions, which shows them beside the lines of a pull request.

use surefoot_engine::model::{Diagnostic, Severity, Sources};

/// One line for one diagnostic.
pub fn github(diagnostic: &Diagnostic, sources: &Sources) -> String {
    let command = match diagnostic.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let span = diagnostic.labels[0].span;
    let source = sources.get(span.file);
    let (line, column) = source.position(span.start as usize);
    let (end_line, end_column) = source.position(span.end as usize);
    let file = property(&source.path.to_string_lossy());
    // Columns are heeded within one line only.
    let columns = match line == end_line {
        true => format!(",col={column},endColumn={end_column}"),
        false => String::new(),
    };
    let help = diagnostic.help.iter().map(|help| format!("\n{help}"));
    let text = data(&help.fold(diagnostic.message.clone(), |text, help| text + &help));
    format!("::{command} file={file},line={line},endLine={end_line}{columns},title={}::{text}", diagnostic.code)
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
