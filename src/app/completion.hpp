#pragma once
#include <string>

namespace CLI {
class App;
}

namespace ddls::app {

// A bash script that completes the commands of `app`, their options, and files elsewhere:
// source <(ddls_dist completion).
std::string bash_completion(const CLI::App& app);

}  // namespace ddls::app
