#pragma once
// From the command line to a command.
#include <optional>

#include "dist/environment.hpp"

namespace ddls::app {

// --help and --version, before there is MPI: the exit code. Printed by the launcher's first rank. Nothing for a
// command.
std::optional<int> answer_without_job(int argc, char** argv);

// **Collective.**
int run_command(int argc, char** argv, dist::Environment& environment);  // the exit code

}  // namespace ddls::app
