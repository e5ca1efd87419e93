#include "config/check_pretrained.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "config/load.hpp"

namespace ddls::config {
namespace {

// What later phases have of these sections; all else in them is of networks that are trained here.
constexpr std::array<std::string_view, 17> of_later_phases{
    "model.architecture",    "model.generator",         "model.latent_dim",    "model.prior",
    "model.classes",         "model.classifier_widths", "model.ratio_",        "model.discriminator_downsamplings",
    "model.logit_bias",      "model.leaky_slope",       "model.embedding_dim", "model.dropout",
    "model.attention_side",  "model.compiled",          "train.shards",        "train.log_every",
    "train.checkpoint_every"};
constexpr std::array<std::string_view, 3> sections_of_later_phases{"train.ratio", "train.calibration",
                                                                   "train.classifier"};

bool same_value(const FieldPointer& a, const FieldPointer& b) {
  return std::visit([&](auto* p) { return *p == *std::get<decltype(p)>(b); }, a);
}

// Names of the keys of a section that are not as in `defaults`.
void find_changed(const Section& section, const Section& defaults, const std::string& path,
                  std::vector<std::string>& changed) {
  if (std::ranges::find(sections_of_later_phases, path) != sections_of_later_phases.end()) return;
  for (size_t i = 0; i < section.fields().size(); ++i) {
    const std::string key = path + "." + section.fields()[i].name;
    const auto allows = [&](std::string_view one) { return one.ends_with('_') ? key.starts_with(one) : key == one; };
    if (std::ranges::any_of(of_later_phases, allows)) continue;
    if (!same_value(section.fields()[i].target, defaults.fields()[i].target)) changed.push_back(key);
  }
  for (size_t i = 0; i < section.sections().size(); ++i)
    find_changed(*section.sections()[i], *defaults.sections()[i], path + "." + section.sections()[i]->name(), changed);
}

std::vector<std::string> keys_of_adversarial_training(Config config) {
  Config initial;
  initial.sample.samplers = config.sample.samplers;
  initial.evaluate.known = config.evaluate.known;
  Section root("", ""), defaults("", "");
  bind(root, config);
  bind(defaults, initial);
  std::vector<std::string> changed;
  for (size_t i = 0; i < root.sections().size(); ++i)
    if (const std::string& name = root.sections()[i]->name(); name == "model" || name == "train")
      find_changed(*root.sections()[i], *defaults.sections()[i], name, changed);
  return changed;
}

}  // namespace

void check_pretrained(const Config& c, std::vector<Conflict>& out) {
  const ModelConfig& m = c.model;
  if (!m.pretrained()) {
    if (!m.generator.empty())
      out.push_back({{"model.generator", "model.architecture"},
                     fmt::format("only for pretrained, but model.architecture is {}", m.architecture)});
    return;
  }
  if (m.generator.empty())
    out.push_back({{"model.generator", "model.architecture"},
                   "pretrained needs its file: a .pt2 archive (tools/export_gan.py) or TorchScript"});
  for (const std::string& key : keys_of_adversarial_training(c))
    out.push_back({{key, "model.architecture"},
                   "belongs to networks that are trained here, but model.architecture is pretrained; leave it out"});
  if (c.sample.precision == "bfloat16")
    out.push_back({{"sample.precision", "model.architecture"}, "a pretrained generator runs as it is; take float32"});
  if (c.sample.cuda_graph)
    out.push_back({{"sample.cuda_graph", "model.architecture"},
                   "a pretrained generator may take memory or wait for the device as it runs, which a graph cannot "
                   "record; set it to false"});
}

}  // namespace ddls::config
