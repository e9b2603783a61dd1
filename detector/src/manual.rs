//! What do a shell and `man` have to know of the command line? Both are made from it.

use clap::CommandFactory as _;
use clap_complete::Shell;
use clap_mangen::Man;

use crate::cli::Cli;
use crate::failure::Failure;

/// The script that makes a shell complete commands and options.
pub fn completions(shell: Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "bgpwarden", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

/// The manual page of a command, which is named as it is called; of the program if nothing is named.
pub fn page(of: &[String]) -> Result<String, Failure> {
    let mut command = Cli::command();
    command.build();
    for name in of {
        let Some(found) = command.find_subcommand(name) else {
            let known: Vec<_> = command.get_subcommands().map(clap::Command::get_name).collect();
            let hint = if known.is_empty() { String::new() } else { format!("; there are: {}", known.join(", ")) };
            return Err(Failure::impossible(format!("{} has no command \"{name}\"{hint}", command.get_name())));
        };
        command = found.clone();
    }
    let mut page = Vec::new();
    Man::new(command).render(&mut page).map_err(|error| Failure::failed(error.to_string()))?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn every_shell_completes_every_command() {
        for shell in Shell::value_variants() {
            let script = completions(*shell);
            for command in Cli::command().get_subcommands() {
                assert!(script.contains(command.get_name()), "{shell}: {}", command.get_name());
            }
        }
    }

    #[test]
    fn each_command_has_a_page_that_names_its_options() {
        let first = page(&[]).expect("a page");
        assert!(first.contains(r"bgpwarden\-replay(1)") && first.contains("hijacks and route leaks"), "{first}");
        assert!(page(&words("replay")).expect("a page").contains(r"\-\-rib"));
        assert!(page(&words("history export")).expect("a page").contains(r"\-\-config"));
    }

    #[test]
    fn a_command_that_there_is_not_is_told_with_those_there_are() {
        let said = page(&words("histroy")).expect_err("no such command").to_string();
        assert!(said.contains("histroy") && said.contains("history"), "{said}");
        assert!(page(&words("run here")).expect_err("no such command").to_string().contains("here"));
    }
}
