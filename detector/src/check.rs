//! What does this configuration mean?

use crate::cli;
use crate::config::Config;
use crate::failure::Failure;

/// The configuration with every default, as a file of the same meaning.
pub fn command(args: &cli::Check) -> Result<String, Failure> {
    let config = Config::load(args.config.as_deref())?;
    let name = args.config.as_ref().map_or("without a file".to_owned(), |path| path.display().to_string());
    Ok(format!("# {name}: fine. It means:\n\n{config}"))
}
