#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <string_view>
#include <utility>

#include "config/check_pretrained.hpp"
#include "config/load.hpp"

namespace ddls::config {
namespace {

bool is_folder_name(const std::string& name) {
  return !name.empty() && name.size() <= 100 && std::isalnum(static_cast<unsigned char>(name[0])) &&
         std::all_of(name.begin(), name.end(),
                     [](unsigned char c) { return c < 0x80 && (std::isalnum(c) || c == '.' || c == '_' || c == '-'); });
}

void check_data(const Config& c, std::vector<Conflict>& out) {
  const DataConfig& d = c.data;
  const bool toy = d.kind == "gaussians25" || d.kind == "swiss_roll";
  if (!toy && d.train.empty()) out.push_back({{"data.train", "data.kind"}, "needed for data.kind " + d.kind});
  if (!toy && d.test.empty() && c.evaluate.reference == "test")
    out.push_back({{"data.test", "evaluate.reference", "data.kind"},
                   "needed for evaluate.reference test; name a test set, or set evaluate.reference to train"});
  const bool label_files = d.kind == "idx" || d.kind == "npy";
  if (!label_files && !d.train_labels.empty())
    out.push_back({{"data.train_labels"}, "only for data.kind idx and npy, but it is " + d.kind});
  if (!label_files && !d.test_labels.empty())
    out.push_back({{"data.test_labels"}, "only for data.kind idx and npy, but it is " + d.kind});
  if (d.on_demand && d.kind != "images" && d.kind != "tar")
    out.push_back({{"data.on_demand", "data.kind"}, "only for data.kind images and tar, but it is " + d.kind});
  if (d.crop == "random" && !d.on_demand && d.kind != "tar")
    out.push_back({{"data.crop", "data.on_demand"},
                   "random crops need images decoded on demand: data.kind tar, or images with data.on_demand"});
  if (d.crop == "random" && d.image_size == 0)
    out.push_back({{"data.crop", "data.image_size"}, "crops are made to data.image_size, which is not given"});
  if (toy && d.flip) out.push_back({{"data.flip", "data.kind"}, "points cannot be mirrored"});
  if (toy && d.dequantise) out.push_back({{"data.dequantise", "data.kind"}, "points are not quantised"});
  if (d.channels == 2) out.push_back({{"data.channels"}, "expected 0, 1 or 3, got 2"});
  if (toy && c.model.architecture != "mlp" && !c.model.pretrained() &&
      d.image_size == 0)  // weights from elsewhere: no data, but a size
    out.push_back({{"model.architecture", "data.kind"},
                   fmt::format("{} makes images, but data.kind {} are points; use mlp", c.model.architecture, d.kind)});
}

// Options that only some architectures have; set where they mean nothing, they would be silently without effect.
void check_architecture_options(const ModelConfig& m, std::vector<Conflict>& out) {
  const auto only_for = [&](const char* key, bool set, std::initializer_list<std::string_view> architectures) {
    const auto one_of_them = [&](const std::string& name) {
      return std::find(architectures.begin(), architectures.end(), name) != architectures.end();
    };
    if (!set || one_of_them(m.architecture) || one_of_them(m.ratio_architecture)) return;
    if (m.pretrained() && m.ratio_architecture == "auto") return;  // it is chosen by the data
    const bool of_ratio = m.pretrained();
    out.push_back({{key, of_ratio ? "model.ratio_architecture" : "model.architecture"},
                   fmt::format("only for {}, but model.{} is {}", fmt::join(architectures, ", "),
                               of_ratio ? "ratio_architecture" : "architecture",
                               of_ratio ? m.ratio_architecture : m.architecture)});
  };
  const ModelConfig defaults;
  only_for("model.discriminator_downsamplings", m.discriminator_downsamplings != defaults.discriminator_downsamplings,
           {"sn_resnet", "wgangp_resnet", "biggan"});
  only_for("model.leaky_slope", m.leaky_slope != defaults.leaky_slope, {"sn_dcgan", "mlp_cgan"});
  only_for("model.embedding_dim", m.embedding_dim != defaults.embedding_dim, {"mlp_cgan", "biggan"});
  only_for("model.dropout", m.dropout != 0, {"mlp_cgan"});
  only_for("model.attention_side", m.attention_side != 0, {"biggan"});
  only_for("model.upsampling", m.upsampling != defaults.upsampling, {"sn_resnet"});
  only_for("model.logit_bias", m.logit_bias != defaults.logit_bias, {"sn_resnet"});
}

void check_model(const ModelConfig& m, std::vector<Conflict>& out) {
  const auto not_empty = [&](const std::vector<int64_t>& widths, const char* key) {
    if (widths.empty()) out.push_back({{key}, "expected at least one width"});
  };
  not_empty(m.generator_widths, "model.generator_widths");
  not_empty(m.discriminator_widths, "model.discriminator_widths");
  not_empty(m.ratio_widths, "model.ratio_widths");
  not_empty(m.classifier_widths, "model.classifier_widths");
  check_architecture_options(m, out);
  if (const bool on_features = m.ratio_architecture == "features"; on_features == m.ratio_extractor.empty())
    out.push_back({{"model.ratio_extractor", "model.ratio_architecture"},
                   on_features
                       ? "features needs the network that makes them: a .pt2 archive "
                         "(tools/export_extractor.py) or TorchScript"
                       : fmt::format("only for features, but model.ratio_architecture is {}", m.ratio_architecture)});

  const bool always_conditional = m.architecture == "biggan" || m.architecture == "mlp_cgan";
  if (always_conditional && m.classes == 0)
    out.push_back({{"model.classes", "model.architecture"},
                   fmt::format("{} is conditional; say how many classes there are", m.architecture)});
  if (m.classes == 1) out.push_back({{"model.classes"}, "expected 0 or at least 2 classes, got 1"});
  const auto blocks = static_cast<int64_t>(m.generator_widths.size()) - 1;
  const bool residual =
      m.architecture == "sn_resnet" || m.architecture == "wgangp_resnet" || m.architecture == "biggan";
  if (residual && blocks == 0)
    out.push_back(
        {{"model.generator_widths", "model.architecture"}, "expected the bottom's width and those of blocks"});
  if (residual && m.discriminator_downsamplings > static_cast<int64_t>(m.discriminator_widths.size()))
    out.push_back({{"model.discriminator_downsamplings", "model.discriminator_widths"},
                   fmt::format("{} blocks cannot halve the side {} times", m.discriminator_widths.size(),
                               m.discriminator_downsamplings)});
  if (m.architecture == "biggan" && blocks >= 0 && m.latent_dim % (blocks + 1) != 0)
    out.push_back({{"model.latent_dim", "model.generator_widths"},
                   fmt::format("biggan cuts z into {} equal parts, one per width; {} does not divide", blocks + 1,
                               m.latent_dim)});
}

// Of the losses only the logistic ones, of single samples or pairs, make the discriminator's logit a log-ratio
// (docs/algorithm.md, section 2).
void check_ratio(const Config& c, std::vector<Conflict>& out) {
  const bool logistic = c.train.loss == "non_saturating" || c.train.loss == "minimax" ||
                        c.train.loss == "relativistic";  // up to a constant, which cancels
  const bool uses_ratio = std::any_of(c.sample.methods.begin(), c.sample.methods.end(), [&](const std::string& method) {
    const SamplerConfig* sampler = c.sample.find(method);
    return sampler == nullptr || sampler->uses_ratio;
  });
  const CalibrationConfig& calibration = c.train.calibration;
  if (!logistic && c.train.ratio.steps == 0 && calibration.method == "none" && uses_ratio)
    out.push_back({{"train.ratio.steps", "train.loss"},
                   fmt::format("a {} score is no log-ratio, and DDLS needs one; give train.ratio.steps to fit it, or "
                               "train.calibration.method",
                               c.train.loss)});
  constexpr int64_t least_held_out = 40;  // quarters of them are compared with one another
  if (calibration.by_likelihood() && calibration.held_out < least_held_out)
    out.push_back({{"train.calibration.held_out", "train.calibration.method"},
                   fmt::format("{} are too few for method {}, which needs {} at least", calibration.held_out,
                               calibration.method, least_held_out)});
  if (calibration.method != "scale" && calibration.scale != CalibrationConfig().scale)
    out.push_back({{"train.calibration.scale", "train.calibration.method"},
                   fmt::format("only for method scale, but it is {}", calibration.method)});
}

void check_train(const TrainConfig& t, std::vector<Conflict>& out) {
  const auto divisible = [&](int64_t batch, const char* key) {
    if (t.shards > 0 && batch % t.shards != 0)
      out.push_back({{key, "train.shards"}, fmt::format("{} is not a multiple of train.shards ({})", batch, t.shards)});
  };
  divisible(t.batch, "train.batch");
  divisible(t.generator_batch, "train.generator_batch");
  if (t.batch_norm == "global" && t.shards != 0)
    out.push_back({{"train.batch_norm", "train.shards"},
                   "statistics over all ranks need train.shards 0: one shard per rank, all computed at once"});
  if (t.loss == "wasserstein" && t.gp_weight == 0)
    out.push_back({{"train.gp_weight", "train.loss"}, "a wasserstein loss has no bound without its penalty"});
  if (t.ddls.mode != "off" && t.ddls.persistent && t.ddls.chains % t.batch != 0)
    out.push_back({{"train.ddls.chains", "train.batch"},
                   fmt::format("{} is not a multiple of train.batch ({})", t.ddls.chains, t.batch)});
  if (t.ddls.mode != "off" && t.generator_batch != 0 && t.generator_batch != t.batch)
    out.push_back(
        {{"train.generator_batch", "train.ddls.mode"}, "refined latents need one batch size for both updates"});
  if (t.loss == "relativistic" && t.generator_batch != 0 && t.generator_batch != t.batch)
    out.push_back({{"train.generator_batch", "train.loss"},
                   "a relativistic loss compares fakes with as many reals: one batch size for both updates"});
  divisible(t.ratio.batch, "train.ratio.batch");
  divisible(t.ratio.refine.batch, "train.ratio.refine.batch");
  divisible(t.classifier.batch, "train.classifier.batch");
  const RefineConfig& r = t.ratio.refine;
  if (r.steps > 0 && t.ratio.steps == 0)
    out.push_back(
        {{"train.ratio.refine.steps", "train.ratio.steps"}, "refines a fitted ratio; train.ratio.steps is 0"});
  if (r.chain_steps > 0 && r.chains % r.batch != 0)
    out.push_back({{"train.ratio.refine.chains", "train.ratio.refine.batch"},
                   fmt::format("{} is not a multiple of train.ratio.refine.batch ({})", r.chains, r.batch)});
}

// Noise on the generator's output is part of the samples, and the ratio must have met it.
void check_output_noise(const RatioConfig& r, std::vector<Conflict>& out) {
  if (r.noise_reals && r.output_noise == 0)
    out.push_back({{"train.ratio.noise_reals", "train.ratio.output_noise"}, "there is no noise: output_noise is 0"});
  if (r.output_noise == 0) return;
  if (r.steps == 0)
    out.push_back({{"train.ratio.output_noise", "train.ratio.steps"},
                   "needs a ratio fitted against noised samples; train.ratio.steps is 0"});
  if (r.instance_noise > 0)
    out.push_back({{"train.ratio.instance_noise", "train.ratio.output_noise"},
                   "one kind of noise at a time: this one is no part of the samples, output_noise is"});
  if (r.refine.steps > 0)
    out.push_back({{"train.ratio.refine.steps", "train.ratio.output_noise"}, "cannot refine with output_noise"});
}

bool is_class(const std::string& text, int64_t classes) {
  return !text.empty() && text.size() <= 9 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; }) &&
         std::stoll(text) < classes;
}

// Of a part that brings its own options.
void check_options(const std::string& section, const Options& options, std::vector<Conflict>& out) {
  for (Conflict conflict : options.check()) {
    for (std::string& key : conflict.keys) key = section + "." + key;
    out.push_back(std::move(conflict));
  }
}

void check_sample(const SampleConfig& s, const ModelConfig& model, std::vector<Conflict>& out) {
  if (s.labels != "cycle" && s.labels != "uniform" && !is_class(s.labels, model.classes))
    out.push_back({{"sample.labels", "model.classes"},
                   fmt::format("expected cycle, uniform, or a class below model.classes ({}), got '{}'", model.classes,
                               s.labels)});
  if (s.methods.empty()) out.push_back({{"sample.methods"}, "expected at least one method"});
  for (size_t i = 0; i < s.methods.size(); ++i)
    if (std::find(s.methods.begin(), s.methods.begin() + i, s.methods[i]) != s.methods.begin() + i)
      out.push_back({{"sample.methods"}, fmt::format("'{}' is given twice", s.methods[i])});
  for (const SamplerConfig& sampler : s.samplers) check_options("sample." + sampler.name, sampler.options, out);
}

// bfloat16 runs on inference graphs (docs/architecture.md).
void check_precision(const Config& c, std::vector<Conflict>& out) {
  if (c.sample.precision != "bfloat16") return;
  if (c.model.architecture == "mlp")
    out.push_back({{"sample.precision", "model.architecture"},
                   "a bfloat16 gradient of a perceptron on points is off by a tenth; take float32"});
  if (c.model.upsampling == "bilinear")
    out.push_back(
        {{"sample.precision", "model.upsampling"}, "bilinear upsampling has no inference graph; take float32"});
  if (c.train.ratio.output_noise > 0)
    out.push_back({{"sample.precision", "train.ratio.output_noise"}, "chains with output noise run in float32"});
}

}  // namespace

const MetricConfig* EvaluateConfig::find(const std::string& metric) const {
  const auto found = std::find_if(known.begin(), known.end(), [&](const auto& m) { return m.name == metric; });
  return found == known.end() ? nullptr : &*found;
}

const SamplerConfig* SampleConfig::find(const std::string& sampler) const {
  const auto found = std::find_if(samplers.begin(), samplers.end(), [&](const auto& s) { return s.name == sampler; });
  return found == samplers.end() ? nullptr : &*found;
}

const Options& SampleConfig::options_of(const std::string& sampler) const {
  const SamplerConfig* found = find(sampler);
  ensure(found != nullptr, "the configuration knows no sampler '{}'", sampler);
  return found->options;
}

std::vector<Conflict> check(const Config& c) {
  std::vector<Conflict> out;
  if (!is_folder_name(c.name))
    out.push_back(
        {{"name"}, "expected a folder name: up to 100 letters, digits, '.', '_', '-', first a letter or digit"});
  check_data(c, out);
  check_model(c.model, out);
  check_pretrained(c, out);
  check_train(c.train, out);
  check_output_noise(c.train.ratio, out);
  check_ratio(c, out);
  check_sample(c.sample, c.model, out);
  for (const MetricConfig& metric : c.evaluate.known) check_options("evaluate." + metric.name, metric.options, out);
  check_precision(c, out);
  return out;
}

}  // namespace ddls::config
