#include "pipeline/init_config.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <map>

#include "base/error.hpp"
#include "base/json_text.hpp"

namespace ddls::pipeline {
namespace {

namespace fs = std::filesystem;

constexpr int64_t fewest = 64, largest_side = 64;

struct Side {
  int64_t pixels = 0;
  bool stored = false;  // all images are squares of this size
  int halvings = 0;     // to a side of 4 to 7
};

int halvings_of(int64_t side) {
  int halvings = 0;
  while (side % 2 == 0 && side / 2 >= 4) side /= 2, ++halvings;
  return side <= 7 ? halvings : 0;
}

// What the networks take: the set's own side, or the power of two below its shortest.
Side side_of(const Json& sizes) {
  int64_t shortest = 1 << 30;
  bool alike = sizes.size() == 1;
  for (const auto& [size, count] : sizes.items()) {
    const int64_t width = std::stoll(size), height = std::stoll(size.substr(size.find('x') + 1));
    shortest = std::min({shortest, width, height});
    alike = alike && width == height;
  }
  if (alike && shortest <= largest_side && halvings_of(shortest) > 0) return {shortest, true, halvings_of(shortest)};
  int64_t side = 8;
  while (2 * side <= std::min(shortest, largest_side)) side *= 2;
  return {side, false, halvings_of(side)};
}

std::string widths(int halvings, bool growing, int64_t most) {
  std::vector<int64_t> all;
  for (int i = 0; i < halvings; ++i) all.push_back(std::max<int64_t>(most >> i, 16));
  if (growing) std::reverse(all.begin(), all.end());
  return fmt::format("[{}]", fmt::join(all, ", "));
}

// Where the labels of an idx or .npy file usually lie; empty where there is no such file.
std::string labels_beside(const std::string& path) {
  fs::path file(path);
  std::string name = file.filename().string();
  for (const auto& [from, to] : {std::pair{"images", "labels"}, std::pair{"idx3", "idx1"}})
    if (const size_t at = name.find(from); at != name.npos) name.replace(at, std::string(from).size(), to);
  for (const char* ending : {"", ".gz"})
    if (const fs::path labels = file.replace_filename(name + ending); labels.string() != path && fs::exists(labels))
      return labels.string();
  if (name.ends_with(".gz"))
    if (const fs::path labels = file.replace_filename(name.substr(0, name.size() - 3));
        labels.string() != path && fs::exists(labels))
      return labels.string();
  return {};
}

std::string kind_of(const std::string& kind, const std::string& set) {
  static const std::map<std::string, std::string> kinds{{"folder of images", "images"},
                                                        {"tar archives", "tar"},
                                                        {"samples of a run", "npz"},
                                                        {"npz", "npz"},
                                                        {"npy", "npy"},
                                                        {"idx", "idx"},
                                                        {"CIFAR-10", "cifar10"}};
  const auto found = kinds.find(kind);
  if (found == kinds.end()) fail(Exit::data, "'{}' is {}: nothing can be trained on it", set, kind);
  return found->second;
}

std::string plain_name(const std::string& name) {
  std::string plain;
  for (const char c : name.substr(0, name.find('.')))
    plain += std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' ? c : '_';
  return plain.empty() ? "data" : plain;
}

// What was found, as the head of the file.
std::string found_text(const Json& record) {
  std::string text = fmt::format("# {}: {}, {} samples", as_utf8(record["name"].get<std::string>()),
                                 record["kind"].get<std::string>(), record["count"].get<int64_t>());
  if (record.contains("sizes") && record["sizes"].is_object() && !record["sizes"].empty())
    text += record["sizes"].size() == 1
                ? fmt::format(", all of {} pixels", record["sizes"].begin().key())
                : fmt::format(", {} sizes in pixels, as {}", record["sizes"].size(), record["sizes"].begin().key());
  const Json classes = record.value("classes", Json(nullptr));
  if (classes.is_object()) text += fmt::format(", {} classes", classes["with_samples"].get<int64_t>());
  const int64_t damaged = record.value("damaged", Json::object()).value("count", int64_t{0});
  const int64_t surplus = record.value("duplicates", Json::object()).value("surplus", int64_t{0});
  text += ".\n";
  if (damaged > 0) text += fmt::format("# {} damaged files are passed over (data.damaged).\n", damaged);
  if (surplus > 0) text += fmt::format("# {} samples are copies of others; `ddls_dist inspect` names some.\n", surplus);
  return text +
         "# `ddls_dist config --config FILE` prints every key with its meaning; this file holds what differs from "
         "the defaults.\n";
}

std::string data_section(const Json& record, const std::string& kind, fs::path path, const Side* side) {
  if (record["kind"] == "samples of a run") path /= "samples.npz";
  path = fs::absolute(path).lexically_normal();
  const auto quoted = [](const std::string& text) { return json_text(Json(text)); };
  std::string text = fmt::format("data:\n  kind: {}\n  train: {}\n", kind, quoted(path.string()));
  if (kind == "idx" || kind == "npy") {
    const std::string labels = labels_beside(path.string());
    text += labels.empty() ? "  # train_labels: FILE            # the labels, where there are any\n"
                           : "  train_labels: " + quoted(labels) + "\n";
  }
  text += "  # test: PATH                    # data that training does not see; then evaluate.reference: test\n";
  if (side == nullptr) return text;
  if (!side->stored)
    text += fmt::format("  image_size: {}                  # cropped to a square and scaled\n", side->pixels);
  const Json& channels = record["channels"];
  if (channels.size() > 1) text += "  channels: 3                     # grey ones become colour\n";
  if (record["damaged"]["count"] != 0) text += "  damaged: skip\n";
  if (kind == "images" && record["count"].get<int64_t>() * side->pixels * side->pixels * 3 > int64_t{4} << 30)
    text += "  on_demand: true                 # decoded when needed: they are more than 4 GiB of pixels\n";
  return text;
}

std::string calibration(int64_t count, int64_t least) {
  if (count < least)
    return fmt::format(
        "  # With {} samples or more: calibration: {{method: tilt, held_out: a tenth of them}} (docs/training.md).\n",
        least);
  return fmt::format(
      "  # Held-out samples put the score right; no phase of training sees them (docs/training.md).\n"
      "  calibration: {{method: tilt, held_out: {}}}\n",
      std::min<int64_t>(6000, count / 10));
}

std::string image_sections(const Json& record, const Side& side) {
  const int64_t count = record["count"].get<int64_t>(), batch = std::min<int64_t>(64, count / 4);
  const bool labelled = record.value("classes", Json(nullptr)).is_object();
  const int64_t most = side.halvings > 3 ? 256 : 128;
  std::string text = fmt::format(
      "model:\n  architecture: dcgan             # others: sn_resnet, sn_dcgan, biggan (docs/models.md)\n"
      "  latent_dim: {}\n  # One width for each halving of {} pixels; twice as wide is better and slower.\n"
      "  generator_widths: {}\n  discriminator_widths: {}\n  ratio_widths: {}\n",
      side.pixels >= 32 ? 128 : 64, side.pixels, widths(side.halvings, false, most), widths(side.halvings, true, most),
      widths(side.halvings, true, most / 2));
  text += fmt::format(
      "train:\n  steps: 4000                     # of {} images: {:.1f} passes over the set\n  batch: {}\n  r1_weight: "
      "0.3\n"
      "  r1_every: 8\n  ema_decay: 0.999\n  grid_every: 500                 # a picture of the generator in grids/\n"
      "  checkpoint_every: 1000\n"
      "  generator: {{lr: 1e-3, beta1: 0.5, beta2: 0.999, schedule: linear, constant_until: 0.5}}\n"
      "  discriminator: {{lr: 1e-3, beta1: 0.5, beta2: 0.999, schedule: linear, constant_until: 0.5}}\n"
      "  # The density ratio that steers the samplers, of smoothed images.\n"
      "  ratio: {{steps: 1200, batch: {}, instance_noise: 0.5, adam: {{lr: 1e-3, beta1: 0.9, beta2: 0.999, schedule: "
      "linear}}}}\n",
      batch, 4000.0 * static_cast<double>(batch) / static_cast<double>(count), batch, batch);
  text += calibration(count, 5000);
  if (labelled)
    text += fmt::format("  classifier: {{steps: 1400, batch: {}}}  # whose features the metrics compare\n",
                        std::min<int64_t>(128, count / 4));
  text += fmt::format(
      "sample:\n  methods: [generator, ddls, mala]   # what is compared; `ddls_dist sample --help` lists all\n"
      "  count: {}\n  block_size: 125                 # chains computed as one batch\n  snapshot_every: 8\n  "
      "trajectories: 16\n"
      "  ddls: {{steps: 24, step_size: 0.02}}\n  mala: {{steps: 16, step_sizes: [0.1], adapt: false}}\n",
      std::min<int64_t>(10'000, count));
  text += "evaluate:\n  reference: train                # test, where data.test is given: train flatters\n";
  if (!labelled)
    text +=
        "  # The set has no labels to train a classifier on, so the metrics need a network's features: name a "
        "TorchScript\n"
        "  # file (docs/formats.md, section 9), or run `train` and `sample` alone.\n"
        "  extractor: \"\"\n";
  return text;
}

std::string point_sections(const Json& record) {
  const int64_t count = record["count"].get<int64_t>();
  return fmt::format(
             "model:\n  architecture: mlp\n  latent_dim: 2\n  ratio_frequencies: [1, 2, 4, 8]   # for fine structure\n"
             "train:\n  steps: 4000\n  batch: {0}\n  r1_weight: 0.05\n  r1_every: 4\n  ema_decay: 0.999\n"
             "  checkpoint_every: 1000\n"
             "  generator: {{lr: 1e-3, beta1: 0, beta2: 0.99, schedule: cosine, final_share: 0.3}}\n"
             "  discriminator: {{lr: 1e-3, beta1: 0, beta2: 0.99, schedule: cosine, final_share: 0.3}}\n"
             "  # The density ratio that steers the samplers.\n"
             "  ratio: {{steps: 4000, batch: {1}, instance_noise: 0.03, adam: {{lr: 2e-3, beta1: 0.9, beta2: 0.99, "
             "schedule: "
             "cosine}}}}\n",
             std::min<int64_t>(256, count / 4), std::min<int64_t>(1024, count / 4)) +
         calibration(count, 20'000) +
         fmt::format(
             "sample:\n  methods: [generator, ddls, mala]\n  count: {}\n  block_size: 500\n  trajectories: 12\n"
             "  ddls: {{steps: 400, step_size: 1e-4, step_size_end: 1e-5}}\n"
             "  mala: {{steps: 100}}\n"
             "evaluate: {{reference: train, metrics: [fid]}}   # test, where data.test is given: train flatters\n",
             std::min<int64_t>(10'000, count));
}

}  // namespace

std::string configuration_for(const Json& record, const std::string& path) {
  const std::string kind = kind_of(record["kind"].get<std::string>(), path);
  const int64_t count = record["count"].get<int64_t>();
  if (count < fewest) fail(Exit::data, "'{}' holds {} samples: too few to train on (at least {})", path, count, fewest);
  const bool points = record.contains("dimensions");
  if (points && record["dimensions"] != 2)
    fail(Exit::data, "'{}' holds points of {} dimensions: runs and their reports are of points of the plane, or images",
         path, record["dimensions"].get<int64_t>());
  const std::string head =
      found_text(record) + fmt::format("name: {}\nseed: 1\n", plain_name(record["name"].get<std::string>()));
  if (points) return head + data_section(record, kind, path, nullptr) + point_sections(record);
  const Side side = side_of(record["sizes"]);
  return head + data_section(record, kind, path, &side) + image_sections(record, side);
}

}  // namespace ddls::pipeline
