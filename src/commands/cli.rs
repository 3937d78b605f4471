use std::{io, net::SocketAddr, path::PathBuf};

use clap::{CommandFactory, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use jiff::Timestamp;

use super::{
    Exit, check, complain, completions, demo, doctor, explain, healthcheck, key, openapi,
    reboot_idle, serve, simulate,
};
use crate::config::{Environment, LoadOptions};

/// One JSON REST API in front of Citrix Cloud and Citrix DaaS, for every region and customer.
#[derive(Debug, Parser)]
#[command(
    name = "cwsgate",
    version,
    about,
    after_help = "Try it without a Citrix account: cwsgate demo\n\
                  Exit codes: 0 done, 1 failed, 2 wrong usage, 3 only partly, 4 not \
                  authenticated, 5 still running, 78 configuration"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a gateway over a simulated Citrix: no account, no file, loopback only.
    Demo {
        /// Address of the gateway; port 0 picks a free one.
        #[arg(long, default_value = demo::DEFAULT_LISTEN)]
        listen: SocketAddr,
        /// How to say where everything is.
        #[arg(long, value_enum, default_value_t)]
        output: Output,
    },
    /// Run the gateway.
    Serve {
        #[command(flatten)]
        config: ConfigFile,
        /// How to say where the gateway listens.
        #[arg(long, value_enum, default_value_t)]
        output: Output,
    },
    /// Run the Citrix simulator alone, for tests of your own.
    Simulate {
        /// Address of its control API; the regions get the ports after it, port 0 picks free ones.
        #[arg(long, default_value = simulate::DEFAULT_LISTEN)]
        listen: SocketAddr,
        /// JSON file that says what there is; the demo's customers and machines by default.
        #[arg(long)]
        scenario: Option<PathBuf>,
        /// How to say where everything is.
        #[arg(long, value_enum, default_value_t)]
        output: Output,
    },
    /// Find every problem in a configuration, without binding a port.
    Check {
        #[command(flatten)]
        config: ConfigFile,
        /// How to print the findings.
        #[arg(long, value_enum, default_value_t)]
        output: Output,
    },
    /// Prove each customer's credential against Citrix: host, clock, token, sites, rights.
    Doctor {
        #[command(flatten)]
        config: ConfigFile,
        /// Only this customer, by name or Citrix id.
        #[arg(long)]
        customer: Option<String>,
        /// How to print what was found.
        #[arg(long, value_enum, default_value_t)]
        output: Output,
    },
    /// Print the OpenAPI document that the gateway serves.
    Openapi {
        /// In which notation.
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Make API keys.
    #[command(subcommand)]
    Key(KeyCommand),
    /// Explain a problem code, such as `upstream_timeout`.
    Explain {
        /// The code of a problem document.
        code: String,
    },
    /// Restart the machines of a machine catalog that nobody is using.
    ///
    /// Machines that have sessions, are off, unregistered, in maintenance mode or physical are
    /// left alone. The API key comes from the variable `CWSGATE_API_KEY`.
    ///
    /// The exit code is 0 when every restart was requested, 3 when some were or a site could not
    /// be read, 1 when none was, 4 when the key is not accepted, and 5 when the work goes on
    /// without this program. It stays true when nobody reads the output any more.
    RebootIdle {
        /// The customer, by name or by Citrix's id.
        #[arg(long)]
        customer: String,
        /// The site, by id or name; `-` for the customer's sites.
        #[arg(long, default_value = "-")]
        site: String,
        /// The machine catalog, by id or name.
        #[arg(long)]
        catalog: String,
        /// Only say what would be done.
        #[arg(long)]
        dry_run: bool,
        /// Where the gateway is.
        #[arg(long, env = "CWSGATE_URL", default_value = reboot_idle::DEFAULT_URL)]
        url: url::Url,
        /// Restart nothing when more machines are idle.
        #[arg(long)]
        max_targets: Option<u32>,
        /// Most machines under way at a time.
        #[arg(long)]
        max_concurrency: Option<u32>,
        /// Go on without the sites that cannot be read, instead of restarting nothing; the exit
        /// code is 3 then.
        #[arg(long)]
        partial_plan: bool,
        /// Why; kept with the record of each restart.
        #[arg(long)]
        reason: Option<String>,
        /// How to say what was done.
        #[arg(long, value_enum, default_value_t)]
        output: Output,
    },
    /// Exit with 0 when a gateway on this machine is ready: for images without a shell.
    Healthcheck {
        /// Where its admin listener is; as configured by the environment, else the default.
        #[arg(long)]
        admin: Option<SocketAddr>,
    },
    /// Print a completion script for a shell.
    Completions {
        /// The shell.
        shell: Shell,
    },
}

#[derive(Debug, Subcommand)]
enum KeyCommand {
    /// Make an API key; it is printed once and kept nowhere.
    New {
        /// The app it is for.
        #[arg(long)]
        app: String,
        /// How to print it.
        #[arg(long, value_enum, default_value_t)]
        output: Output,
    },
}

#[derive(Debug, clap::Args)]
struct ConfigFile {
    /// The configuration file.
    #[arg(long, env = "CWSGATE_CONFIG")]
    config: PathBuf,
    /// Let callers in without a credential, to do everything. For nobody but yourself.
    #[arg(long)]
    unsafe_allow_anonymous: bool,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
enum Output {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
enum Format {
    #[default]
    Json,
    Yaml,
}

impl ConfigFile {
    fn options(&self) -> LoadOptions {
        LoadOptions { now: Timestamp::now(), allow_anonymous: self.unsafe_allow_anonymous }
    }
}

/// Reads the command line and carries it out.
pub async fn run() -> Exit {
    let environment = Environment::of_process();
    match dispatch(Cli::parse().command, &environment).await {
        Ok(exit) => exit,
        // Nobody reads any more, as with `| head`.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Done,
        Err(error) => {
            complain(error);
            Exit::Failed
        }
    }
}

async fn dispatch(command: Command, environment: &Environment) -> io::Result<Exit> {
    let out = &mut io::stdout();
    match command {
        Command::Demo { listen, output } => demo::run(listen, output == Output::Json).await,
        Command::Serve { config, output } => {
            serve::run(&config.config, environment, config.options(), output == Output::Json).await
        }
        Command::Simulate { listen, scenario, output } => {
            simulate::run(listen, scenario.as_deref(), output == Output::Json).await
        }
        Command::Check { config, output } => {
            let json = output == Output::Json;
            check::run(&config.config, environment, config.options(), json, out)
        }
        Command::Doctor { config, customer, output } => {
            let (options, json) = (config.options(), output == Output::Json);
            let only = customer.as_deref();
            doctor::run(&config.config, environment, options, only, json, out).await
        }
        Command::Openapi { format } => openapi::run(format == Format::Yaml, out),
        Command::Key(KeyCommand::New { app, output }) => {
            match key::new(&app, output == Output::Json, out) {
                Ok(()) => Ok(Exit::Done),
                Err(key::Error::Name(error)) => {
                    complain(format_args!("--app: {error}"));
                    Ok(Exit::Usage)
                }
                Err(error) => Err(io::Error::other(error)),
            }
        }
        Command::Explain { code } => explain::run(&code, out),
        Command::RebootIdle {
            customer,
            site,
            catalog,
            dry_run,
            url,
            max_targets,
            max_concurrency,
            partial_plan,
            reason,
            output,
        } => {
            let place = reboot_idle::Place { customer, site, catalog };
            let choices = reboot_idle::Choices {
                dry_run,
                max_targets,
                max_concurrency,
                partial_plan,
                reason,
                json: output == Output::Json,
            };
            reboot_idle::run(url, &place, &choices, environment, out).await
        }
        Command::Healthcheck { admin } => healthcheck::run(admin, environment).await,
        Command::Completions { shell } => completions::run(shell, &mut Cli::command(), out),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
