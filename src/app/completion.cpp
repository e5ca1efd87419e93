#include "app/completion.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>

namespace ddls::app {
namespace {

std::string options_of(const CLI::App& app) {
  std::string words;
  for (const CLI::Option* option : app.get_options())
    for (const std::string& name : option->get_lnames()) words += (words.empty() ? "--" : " --") + name;
  return words;
}

}  // namespace

std::string bash_completion(const CLI::App& app) {
  std::string commands, cases;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    commands += (commands.empty() ? "" : " ") + command->get_name();
    cases += fmt::format("    {}) options=\"{}\" ;;\n", command->get_name(), options_of(*command));
  }
  return fmt::format(
      "# bash: source <(ddls_dist completion)\n"
      "_ddls_dist() {{\n"
      "  local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD - 1]}} command= options= given\n"
      "  for given in \"${{COMP_WORDS[@]:1:COMP_CWORD - 1}}\"; do\n"
      "    [[ \" {0} \" != *\" $given \"* ]] || {{ command=$given; break; }}\n"
      "  done\n"
      "  case $command in\n"
      "{1}"
      "    *) options=\"{0} {2}\" ;;\n"
      "  esac\n"
      "  case $before in\n"
      "    --resume) options=\"auto never require\" ;;\n"
      "    --device) options=\"auto cpu cuda\" ;;\n"
      "    --log-level) options=\"debug info warning error off\" ;;\n"
      "    bench) options=\"training sampler evaluation data collectives $options\" ;;\n"
      "    --*) [[ $word == -* ]] || options= ;;\n"
      "  esac\n"
      "  COMPREPLY=($(compgen -W \"$options\" -- \"$word\"))\n"
      "}}\n"
      "complete -o default -F _ddls_dist ddls_dist\n",
      commands, cases, options_of(app));
}

}  // namespace ddls::app
