#include "models/weight_map.hpp"

#include <ATen/ATen.h>
#include <yaml-cpp/yaml.h>

#include <optional>
#include <regex>
#include <set>

#include "base/error.hpp"
#include "base/files.hpp"
#include "models/layers.hpp"
#include "models/network.hpp"
#include "models/state.hpp"
#include "tensor/safetensors.hpp"

namespace ddls::models {
namespace {

struct Rule {
  std::regex theirs;
  std::string ours;  // empty: left out
  std::string columns;
  std::vector<int64_t> reshape, permute;
  int64_t spatial = 0;
  double add = 0;
};

Rule rule_of(const YAML::Node& node, const std::string& file) {
  const auto refuse = [&](const std::string& why) {
    fail(Exit::config, "{}: line {}: {}", file, node.Mark().line + 1, why);
  };
  if (!node.IsMap() || !node["theirs"]) refuse("expected a rule {theirs: PATTERN, ours: NAME, ...}");
  Rule rule;
  for (const auto& item : node) {
    const auto key = item.first.as<std::string>();
    if (key == "theirs")
      rule.theirs = std::regex(item.second.as<std::string>());
    else if (key == "ours")
      rule.ours = item.second.as<std::string>();
    else if (key == "columns")
      rule.columns = item.second.as<std::string>();
    else if (key == "reshape")
      rule.reshape = item.second.as<std::vector<int64_t>>();
    else if (key == "permute")
      rule.permute = item.second.as<std::vector<int64_t>>();
    else if (key == "spatial")
      rule.spatial = item.second.as<int64_t>();
    else if (key == "add")
      rule.add = item.second.as<double>();
    else
      refuse(fmt::format("unknown key '{}'; expected theirs, ours, columns, reshape, permute, spatial, add", key));
  }
  if (!rule.columns.empty() && rule.columns != "first" && rule.columns != "second")
    refuse("columns: expected first or second");
  return rule;
}

std::vector<Rule> rules_of(const fs::path& map, Role role) {
  const std::string text = read_file(map);
  try {
    const YAML::Node root = YAML::Load(text), list = root[role == Role::generator ? "generator" : "discriminator"];
    if (!root.IsMap() || !list || !list.IsSequence())
      fail(Exit::config, "{}: expected two lists of rules, 'generator' and 'discriminator'", map.string());
    std::vector<Rule> rules;
    for (const YAML::Node& node : list) rules.push_back(rule_of(node, map.string()));
    return rules;
  } catch (const YAML::Exception& error) {
    fail(Exit::config, "{}: {}", map.string(), error.what());
  } catch (const std::regex_error& error) {
    fail(Exit::config, "{}: a pattern is no regular expression: {}", map.string(), error.what());
  }
}

at::Tensor transformed(at::Tensor t, const Rule& rule) {
  if (!rule.columns.empty()) {
    const int64_t half = t.size(1) / 2;
    t = t.narrow(1, rule.columns == "first" ? 0 : half, half);
  }
  if (!rule.reshape.empty()) t = t.reshape(rule.reshape);
  if (!rule.permute.empty()) t = t.permute(rule.permute);
  if (rule.spatial > 0 && t.numel() > 0) {  // nothing to order; its shape is refused later
    const int64_t s = rule.spatial;
    const std::vector<int64_t> sizes = t.sizes().vec();
    t = t.reshape({-1, s, s, t.numel() / t.size(0)}).permute({1, 2, 0, 3}).reshape(sizes);
  }
  if (rule.add != 0) t = (t.to(at::kDouble) + rule.add).to(t.scalar_type());
  return t.contiguous();
}

tensor::NamedTensors renamed(const tensor::NamedTensors& theirs, const std::vector<Rule>& rules,
                             const std::string& file) {
  tensor::NamedTensors ours;
  constexpr size_t longest_name = 1000;  // std::regex recurses for every letter: a long name would end the stack
  for (const auto& [name, tensor] : theirs) {
    if (name.size() > longest_name)
      fail(Exit::data,
           "{}: the name of a tensor has {} letters ('{}...'); at most {} can be matched with model.weight_map", file,
           name.size(), name.substr(0, 60), longest_name);
    bool known = false;
    for (const Rule& rule : rules) {
      std::smatch match;
      if (!std::regex_match(name, match, rule.theirs)) continue;
      known = true;
      if (rule.ours.empty()) continue;
      const std::string to = match.format(rule.ours);
      try {
        if (!ours.emplace(to, transformed(tensor, rule)).second)
          fail(Exit::data, "{}: two tensors become '{}', one of them '{}'; see model.weight_map", file, to, name);
      } catch (const c10::Error&) {
        fail(Exit::data, "{}: '{}' has shape [{}], which the rule for '{}' does not fit; see model.weight_map", file,
             name, fmt::join(tensor.sizes(), ", "), to);
      }
    }
    if (!known) fail(Exit::data, "{}: model.weight_map has no rule for the tensor '{}'", file, name);
  }
  return ours;
}

// Layers with spectral norm whose directions the file lacks keep those of the network until the weights are there.
struct Unsettled {
  struct Direction {
    Layer* layer;
    at::Tensor u;
  };
  std::vector<Layer*> without_u;
  std::vector<Direction> without_v;
};
Unsettled add_missing_directions(Network& network, tensor::NamedTensors& state) {
  constexpr const char* directions[] = {"u", "v"};
  const tensor::NamedTensors initial = state_of(network);
  Unsettled unsettled;
  for (const auto& item : network.named_modules()) {
    auto* layer = item.value()->as<Layer>();
    if (layer == nullptr || !layer->spectral()) continue;
    const auto name = [&](const char* direction) { return item.key() + "." + direction; };
    if (!state.contains(name("u")))
      unsettled.without_u.push_back(layer);
    else if (!state.contains(name("v")))
      unsettled.without_v.push_back({layer, state.at(name("u"))});
    for (const char* direction : directions) state.emplace(name(direction), initial.at(name(direction)));
  }
  return unsettled;
}

}  // namespace

void load_weights(Network& network, Role role, const fs::path& file, const fs::path& map) {
  tensor::NamedTensors state = tensor::read_safetensors(file).tensors;
  if (!map.empty()) state = renamed(state, rules_of(map, role), file.string());
  const Unsettled unsettled = add_missing_directions(network, state);
  load_state(network, state, file.string());
  constexpr int iterations = 100;
  for (Layer* layer : unsettled.without_u)
    for (int i = 0; i < iterations; ++i) layer->power_iteration();
  for (const Unsettled::Direction& known : unsettled.without_v) known.layer->set_u(known.u);
  network.eval();
}

}  // namespace ddls::models
