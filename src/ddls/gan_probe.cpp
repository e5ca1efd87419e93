#include "ddls/gan_probe.hpp"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <set>

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/purpose.hpp"
#include "ddls/labels.hpp"

namespace ddls::sampling {
namespace {

constexpr int64_t most_tried = 512;  // prior draws; of large images fewer, but no fewer than 8
constexpr int64_t few_tried = 64;    // of them, where each is tried several times
constexpr int64_t first_tried = 5;   // a batch size that no export has been traced with

using Outputs = std::vector<at::Tensor>;

std::string text_of(at::IntArrayRef sizes) { return fmt::format("[{}]", fmt::join(sizes, ", ")); }

std::string type_name(const at::Tensor& x) {
  const auto type = x.scalar_type();
  return type == at::kHalf       ? "float16"
         : type == at::kDouble   ? "float64"
         : type == at::kBFloat16 ? "bfloat16"
                                 : c10::toString(type);
}

void require_float(const std::string& file, const at::Tensor& x, const char* what) {
  if (x.scalar_type() == at::kFloat) return;
  if (x.is_floating_point())
    fail(Exit::data, "{}: it gives {} in {}; end it with x.float(), and export it after .float()", file, what,
         type_name(x));
  fail(Exit::data, "{}: it gives {} as whole or other numbers ({}), which have no gradient; leave the conversion out{}",
       file, what, type_name(x), x.scalar_type() == at::kByte ? ", and scale images to [-1, 1]" : "");
}

// Where a shape is none of ours: the line that makes it one, as far as it can be told.
std::string cure_of_shape(const at::Tensor& x, int64_t count) {
  if (x.dim() == 0 || x.size(0) != count) return "; the first dimension must be that of the latents";
  const auto colours = [](int64_t channels) { return channels == 1 || channels == 3; };
  if (x.dim() == 4 && colours(x.size(3))) return "; channels come first here: end it with x.permute(0, 3, 1, 2)";
  if (x.dim() == 4 && x.size(1) == 4) return "; leave the fourth channel out: x[:, :3]";
  if (x.dim() == 3) return "; add the channel: x.unsqueeze(1)";
  if (x.dim() == 1) return "; points need a second dimension: x.unsqueeze(1)";
  return "";
}

void check_samples(const std::string& file, const Outputs& outputs, int64_t count) {
  const at::Tensor& x = outputs.front();
  if ((x.dim() != 4 && x.dim() != 2) || x.size(0) != count)
    fail(Exit::data, "{}: for {} latents it gives {}; expected images [{}, C, H, W] or points [{}, d]{}", file, count,
         text_of(x.sizes()), count, count, cure_of_shape(x, count));
  if (x.dim() == 4 && x.size(1) != 1 && x.size(1) != 3)
    fail(Exit::data, "{}: images have 1 or 3 channels, [n, C, H, W], but it gives {}, {} channels{}", file,
         text_of(x.sizes()), x.size(1), cure_of_shape(x, count));
  if (x.numel() == 0) fail(Exit::data, "{}: its samples are empty: {}", file, text_of(x.sizes()));
  require_float(file, x, "samples");
}

void check_scores(const std::string& file, const Outputs& outputs, int64_t count) {
  const at::Tensor& scores = outputs.front();
  const bool column = scores.dim() == 2 && scores.size(1) == 1, lone = scores.dim() == 0 && count == 1;
  if ((scores.dim() != 1 && !column && !lone) || (!lone && scores.size(0) != count)) {
    const bool per_sample = scores.dim() > 0 && scores.size(0) == count;
    fail(Exit::data, "{}: for {} samples it gives {}; expected logits [{}] or [{}, 1]{}", file, count,
         text_of(scores.sizes()), count, count,
         !per_sample               ? "; the first dimension must be that of the samples"
         : scores.numel() == count ? "; end it with x.flatten()"
         : scores.dim() == 4       ? "; average the patches: x.mean([1, 2, 3])"
                                   : "; give one logit per sample (real against generated), not one per class");
  }
  require_float(file, scores, "logits");
}

// Sizes of latents that a network may want: those of its weights, and usual ones.
std::set<int64_t> likely_latents(const tensor::ForeignNetwork& network) {
  std::set<int64_t> sizes{2, 16, 32, 64, 100, 120, 128, 256, 512};
  constexpr int64_t most = 4096;
  if (network.tensors)
    for (const auto& [name, tensor] : network.tensors())
      if (tensor.dim() >= 2)
        for (const int64_t size : {tensor.size(0), tensor.size(1)})
          if (size <= most && sizes.size() < 40) sizes.insert(size);
  return sizes;
}

// What labels may be wrong about.
void add_label_remedies(std::vector<tensor::Remedy>& remedies, const at::Tensor& input, const at::Tensor& labels,
                        const config::ModelConfig& model) {
  const auto same = [input] { return input; };
  if (!labels.defined()) {
    remedies.push_back({"it takes labels, too; give model.classes", same,
                        [input] { return at::zeros({input.size(0)}, input.options().dtype(at::kLong)); }});
    return;
  }
  remedies.push_back(
      {fmt::format("it takes no labels; set model.classes, now {}, to 0 (both files must take labels, or neither)",
                   model.classes),
       same, [] { return at::Tensor(); }});
  const at::Tensor one_hot = at::one_hot(labels, model.classes).to(at::kFloat);
  remedies.push_back(
      {fmt::format("labels are numbers [n] here; begin it with y = torch.nn.functional.one_hot(y, {}).float()",
                   model.classes),
       same, [one_hot] { return one_hot; }});
}

std::vector<tensor::Remedy> latent_remedies(const tensor::ForeignNetwork& network, const config::ModelConfig& model,
                                            const at::Tensor& z, const at::Tensor& labels) {
  const std::string as_image = "z is [n, d] here: begin its forward with z = z[:, :, None, None]";
  std::vector<tensor::Remedy> remedies{{as_image, [z] { return z.unsqueeze(2).unsqueeze(3); }}};
  add_label_remedies(remedies, z, labels, model);
  for (const int64_t size : likely_latents(network)) {
    if (size == z.size(1)) continue;
    const auto of_size = [z, size] { return at::zeros({z.size(0), size}, z.options()); };
    const std::string cure = fmt::format("model.latent_dim is {}, but it takes latents of {}; set model.latent_dim={}",
                                         z.size(1), size, size);
    remedies.push_back({cure, of_size});
    remedies.push_back({cure + ", and " + as_image, [of_size] { return of_size().unsqueeze(2).unsqueeze(3); }});
  }
  return remedies;
}

std::vector<tensor::Remedy> sample_remedies(const config::ModelConfig& model, const at::Tensor& x,
                                            const at::Tensor& labels) {
  std::vector<tensor::Remedy> remedies;
  add_label_remedies(remedies, x, labels, model);
  if (x.dim() != 4) return remedies;
  remedies.push_back({"samples are [n, C, H, W] here: begin its forward with x = x.permute(0, 2, 3, 1)", [x] {
                        return x.permute({0, 2, 3, 1});
                      }});
  remedies.push_back(
      {"samples are [n, C, H, W] here: begin its forward with x = x.flatten(1)", [x] { return x.flatten(1); }});
  remedies.push_back({"it takes images of one channel, but the generator gives three; do both files belong together?",
                      [x] { return x.mean(1, /*keepdim=*/true); }});
  remedies.push_back(
      {"it takes images of three channels, but the generator gives one; begin its forward with x = x.repeat(1, 3, 1, "
       "1)",
       [x] {
         return x.repeat({1, 3, 1, 1});
       }});
  for (const int64_t side : {8, 16, 28, 32, 48, 64, 96, 128, 224, 256, 299, 512})
    if (side != x.size(2) || side != x.size(3))
      remedies.push_back(
          {fmt::format(
               "it takes images of {} x {} pixels, but the generator gives {} x {}; do both files belong together?",
               side, side, x.size(2), x.size(3)),
           [x, side] {
             return at::zeros({x.size(0), x.size(1), side, side}, x.options());
           }});
  return remedies;
}

// Images of [0, 1] are told from dark or bright ones of [-1, 1] by latents far out, where a generator that can leave
// [0, 1] does so.
bool stays_in_unit(const tensor::ForeignNetwork& g, const at::Tensor& z, const at::Tensor& labels) {
  at::NoGradGuard no_grad;
  for (const double scale : {3.0, 30.0, -30.0}) {
    const at::Tensor x = g(z * scale, labels).front();
    if (!(x.min().item<double>() >= 0 && x.max().item<double>() <= 1)) return false;
  }
  return true;
}

void check_range(const tensor::ForeignNetwork& g, const at::Tensor& x, const at::Tensor& z, const at::Tensor& labels) {
  const double low = x.min().item<double>(), high = x.max().item<double>();
  const double slack = 0.01;
  if (low >= -1 - slack && high <= 1 + slack) {
    if (low >= 0 && high > low && stays_in_unit(g, z, labels))
      fail(Exit::data,
           "{}: images must lie in [-1, 1], but all values are in [0, 1] ({:.3g} to {:.3g}); end the file with x * 2 - "
           "1",
           g.file, low, high);
    if (high - low > 0 && std::max(-low, high) <= 0.51 && high > 0)
      log::warning(
          "{}: its images are nearly grey, with values from {:.3g} to {:.3g} of [-1, 1]; if they are meant to be in "
          "[-0.5, 0.5], end the file with x * 2",
          g.file, low, high);
    return;
  }
  std::string cure = "rescale them in the file, for standardised images with x * std + mean, then x.clamp(-1, 1)";
  if (low >= -slack && high <= 256 && high > 2)
    cure = "they look like [0, 255]: end the file with x / 127.5 - 1";
  else if (low >= -128.5 && high <= 128.5 && high > 20)
    cure = "end the file with x / 128";
  else if (low >= -2 && high <= 2)
    cure = "where that is meant, end the file with x.clamp(-1, 1)";
  fail(Exit::data, "{}: images must lie in [-1, 1], but there are values from {:.3g} to {:.3g}; {}", g.file, low, high,
       cure);
}

// A sigmoid keeps its outputs in [0, 1] whatever it is given; logits, which may be small on samples, leave it on
// samples made much larger.
void check_no_sigmoid(const tensor::ForeignNetwork& d, const at::Tensor& x, const at::Tensor& labels) {
  at::NoGradGuard no_grad;
  for (const double scale : {1.0, 30.0, -30.0}) {
    const at::Tensor logits = d(x * scale, labels).front();
    if (!(logits.min().item<double>() >= 0 && logits.max().item<double>() <= 1)) return;
  }
  fail(Exit::data,
       "{}: all its outputs lie in [0, 1]: they look like probabilities (a sigmoid), but DDLS needs the logits before "
       "it; export the file without the sigmoid. (If they are logits all the same, add a constant: it changes no "
       "chain.)",
       d.file);
}

}  // namespace

void warn_of_scores(const std::string& file, const at::Tensor& scores) {
  const double low = scores.min().item<double>(), high = scores.max().item<double>();
  if (high == low)
    log::warning("{}: the same logit, {:.6g}, for all {} samples: DDLS then draws from the prior", file, low,
                 scores.numel());
  else if (high - low > 1000)
    log::warning(
        "{}: logits from {:.3g} to {:.3g} are no log-ratios: those of a critic (hinge, Wasserstein) need a calibration "
        "(train.calibration)",
        file, low, high);
}

ProbedGenerator probe_generator(const tensor::ForeignNetwork& g, const config::ModelConfig& model, c10::Device device,
                                bool differentiable) {
  const tensor::Noise noise{derive(0, Purpose::network_probe)};
  const Prior prior = prior_from_name(model.prior);
  const auto draws = [&](int64_t begin, int64_t count) {
    return latent_of(prior, noise.normal({begin, begin + count}, model.latent_dim, 0, Stream::prior).to(device));
  };
  tensor::ProbeRows latents{draws(0, most_tried), {}};
  if (model.classes > 0) latents.labels = label_rule("cycle", model.classes, noise)({0, most_tried}).to(device);

  const tensor::Probe of_g{g,
                           "latent",
                           {"samples"},
                           [&](const Outputs& x, int64_t n) { check_samples(g.file, x, n); },
                           [&](const at::Tensor& z, const at::Tensor& y) { return latent_remedies(g, model, z, y); }};
  const at::Tensor first = tensor::checked_call(of_g, latents.some(0, first_tried)).front();
  constexpr int64_t most_values = int64_t{1} << 21;
  const int64_t tried = std::clamp<int64_t>(most_values * first_tried / first.numel(), 8, most_tried);
  const int64_t few = std::min(tried, few_tried);
  tensor::check_function(of_g, latents.some(0, few), draws(most_tried, few) * 0.5);
  latents = latents.some(0, tried);
  const tensor::ProbeRows samples{
      differentiable ? tensor::check_gradient(of_g, latents) : tensor::checked_call(of_g, latents).front(),
      latents.labels};
  if (samples.input.dim() == 4) check_range(g, samples.input, latents.input, latents.labels);
  return {latents, samples};
}

void probe_discriminator(const tensor::ForeignNetwork& d, const config::ModelConfig& model,
                         const tensor::ProbeRows& samples) {
  const int64_t few = std::min(samples.input.size(0), few_tried);
  const tensor::Probe of_d{d,
                           "sample",
                           {"logits"},
                           [&](const Outputs& s, int64_t n) { check_scores(d.file, s, n); },
                           [&](const at::Tensor& x, const at::Tensor& y) { return sample_remedies(model, x, y); }};
  tensor::checked_call(of_d, samples.some(0, first_tried));
  tensor::check_function(of_d, samples.some(0, few), samples.input.narrow(0, 0, few).flip(0) * 0.3);
  const at::Tensor scores = tensor::check_gradient(of_d, samples);
  check_no_sigmoid(d, samples.input, samples.labels);
  warn_of_scores(d.file, scores);
}

std::vector<int64_t> probe_gan(const tensor::ForeignNetwork& g, const tensor::ForeignNetwork& d,
                               const config::ModelConfig& model, c10::Device device) {
  const ProbedGenerator probed = probe_generator(g, model, device);
  probe_discriminator(d, model, probed.samples);
  return probed.samples.input.sizes().slice(1).vec();
}

}  // namespace ddls::sampling
