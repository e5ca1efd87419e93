#include "ddls/scripted_gan.hpp"

#include <torch/csrc/jit/python/update_graph_executor_opt.h>
#include <torch/script.h>

#include <algorithm>
#include <cmath>

#include "base/error.hpp"
#include "base/files.hpp"
#include "ddls/labels.hpp"

namespace ddls {
namespace {

constexpr int64_t tried = 512;  // prior draws on which the files are tried

// A TorchScript file as a function of (tensor, labels), its errors turned into ours.
class Script {
 public:
  Script(const fs::path& file, c10::Device device) : file_(file.string()) {
    if (!fs::exists(file)) fail(Exit::missing, "{}: there is no such file", file_);
    try {
      module_ = torch::jit::load(file_, device);
    } catch (const c10::Error&) {
      fail(Exit::data, "{}: not a TorchScript file; write it with torch.jit.trace or torch.jit.script and .save",
           file_);
    }
    module_.eval();
    for (at::Tensor parameter : module_.parameters()) parameter.requires_grad_(false);
  }

  at::Tensor operator()(const at::Tensor& input, const at::Tensor& labels) {
    std::vector<torch::jit::IValue> inputs{input};
    if (labels.defined()) inputs.emplace_back(labels);
    try {
      const torch::jit::IValue output = module_.forward(inputs);
      if (output.isTensor()) return output.toTensor();
    } catch (const c10::Error& error) {
      refuse(input, labels, error.what_without_backtrace());
    } catch (const std::exception& error) {  // the interpreter's own
      refuse(input, labels, error.what());
    }
    fail(Exit::data, "{}: forward must return one tensor", file_);
  }

  const std::string& file() const { return file_; }

 private:
  [[noreturn]] void refuse(const at::Tensor& input, const at::Tensor& labels, const std::string& reason) const {
    fail(Exit::data,
         "{}: forward fails on an input [{}]{}; check model.latent_dim, and model.classes, which is 0 for "
         "unconditional files. It says: {}",
         file_, fmt::join(input.sizes(), ", "), labels.defined() ? " and labels" : "", reason);
  }

  std::string file_;
  torch::jit::Module module_;
};

using ScriptPtr = std::shared_ptr<Script>;

std::string text_of(at::IntArrayRef sizes) { return fmt::format("[{}]", fmt::join(sizes, ", ")); }

void check_samples(const Script& g, const at::Tensor& x, int64_t count) {
  if ((x.dim() != 4 && x.dim() != 2) || x.size(0) != count)
    fail(Exit::data, "{}: for {} latents it gives {}; expected images [{}, C, H, W] or points [{}, d]", g.file(), count,
         text_of(x.sizes()), count, count);
  if (!at::isfinite(x).all().item<bool>()) fail(Exit::data, "{}: some samples are not finite numbers", g.file());
  if (x.dim() == 4 && x.abs().max().item<double>() > 1.01)
    fail(Exit::data, "{}: images must lie in [-1, 1], but there are values up to {:.3g}; rescale them in the file",
         g.file(), x.abs().max().item<double>());
  if (!x.requires_grad())
    fail(Exit::data,
         "{}: its output cannot be differentiated with respect to z; export it without no_grad, detach or quantised "
         "layers",
         g.file());
}

void check_logits(const Script& d, const at::Tensor& logits, int64_t count) {
  const bool column = logits.dim() == 2 && logits.size(1) == 1;
  if ((logits.dim() != 1 && !column) || logits.size(0) != count)
    fail(Exit::data, "{}: for {} samples it gives {}; expected logits [{}] or [{}, 1]", d.file(), count,
         text_of(logits.sizes()), count, count);
  if (!at::isfinite(logits).all().item<bool>()) fail(Exit::data, "{}: some logits are not finite numbers", d.file());
  if (!logits.requires_grad())
    fail(Exit::data,
         "{}: its output cannot be differentiated with respect to the samples; export it without no_grad, detach or "
         "quantised layers",
         d.file());
}

// A sigmoid keeps its outputs in [0, 1] whatever it is given; logits, which may be small on samples, leave it on samples made
// much larger.
void check_no_sigmoid(Script& d, const at::Tensor& x, const at::Tensor& labels) {
  at::NoGradGuard no_grad;
  for (const double scale : {1.0, 30.0, -30.0}) {
    const at::Tensor logits = d(x * scale, labels);
    if (logits.min().item<double>() < 0 || logits.max().item<double>() > 1) return;
  }
  fail(Exit::data,
       "{}: all its outputs lie in [0, 1]: they look like probabilities (a sigmoid), but DDLS needs the logits before "
       "it; export the file without the sigmoid. (If they are logits all the same, add a constant: it changes no "
       "chain.)",
       d.file());
}

// Batch norm in training mode, baked in by an export of model.train(): the value of a sample depends on the batch it is in.
void check_independence(const Script& d, const Target& target, const at::Tensor& z, const at::Tensor& labels) {
  at::Tensor others = z.clone();
  others.narrow(0, 1, tried - 1).mul_(0.1);
  const at::Tensor all = target.log_ratio(z, labels);
  const double a = all[0].item<double>(), b = target.log_ratio(others, labels)[0].item<double>();
  if (std::abs(a - b) > std::max(0.01 * all.std().item<double>(), 1e-5 * (1 + std::abs(a))))
    fail(Exit::data,
         "{}: the logit of a sample depends on the others of its batch ({:.6g} or {:.6g}), in it or in the generator; "
         "call .eval() on both before the export",
         d.file(), a, b);
}

}  // namespace

ForeignGan load_scripted_gan(const fs::path& generator, const fs::path& discriminator, const ModelConfig& model,
                             c10::Device device) {
  // The interpreter would otherwise rewrite the graphs after it has watched some calls: the same input, other bits.
  torch::jit::setGraphExecutorOptimize(false);
  const auto g = std::make_shared<Script>(generator, device), d = std::make_shared<Script>(discriminator, device);
  ForeignGan gan;
  gan.target = make_target([g](const at::Tensor& z, const at::Tensor& labels) { return (*g)(z, labels); },
                           [d](const at::Tensor& x, const at::Tensor& labels) { return (*d)(x, labels).flatten(); },
                           model.latent_dim, device, prior_from_name(model.prior));

  const Noise noise{0x747279ULL};
  const at::Tensor z = noise.normal({0, tried}, model.latent_dim, 0, Stream::prior).to(device);
  at::Tensor labels;
  if (model.classes > 0) labels = label_rule("cycle", model.classes, noise)({0, tried}).to(device);
  {
    const at::Tensor leaf = z.clone().requires_grad_(true);
    const at::Tensor x = (*g)(latent_of(gan.target.prior, leaf), labels);
    check_samples(*g, x, tried);
    const at::Tensor samples = x.detach().requires_grad_(true);
    check_logits(*d, (*d)(samples, labels), tried);
    check_no_sigmoid(*d, samples.detach(), labels);
    gan.sample_shape = x.sizes().slice(1).vec();
  }
  check_independence(*d, gan.target, z, labels);
  gan.digest = hash64(sha256_of_file(generator) + sha256_of_file(discriminator));
  return gan;
}

}  // namespace ddls
