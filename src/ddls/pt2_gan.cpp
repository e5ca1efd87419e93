#include "ddls/pt2_gan.hpp"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include "base/error.hpp"
#include "base/files.hpp"
#include "ddls/gan_probe.hpp"
#include "ddls/pt2_choice.hpp"

namespace ddls::sampling {
namespace {

using ProgramTensors = std::vector<at::Tensor>;

void check_log_ratios(const std::string& file, const ProgramTensors& outputs, int64_t n, int64_t latent_dim) {
  const bool with_gradient = outputs.size() > 1;
  if (outputs[0].dim() != 1 || outputs[0].size(0) != n)
    fail(Exit::data, "{}: for {} latents it gives log-ratios [{}], not [{}]", file, n,
         fmt::join(outputs[0].sizes(), ", "), n);
  if (with_gradient && outputs[1].sizes() != at::IntArrayRef({n, latent_dim}))
    fail(Exit::data, "{}: for {} latents it gives gradients [{}], not [{}, {}]", file, n,
         fmt::join(outputs[1].sizes(), ", "), n, latent_dim);
  for (const at::Tensor& out : outputs)
    if (out.scalar_type() != at::kFloat) fail(Exit::data, "{}: it gives other numbers than float32", file);
}

void require_agreement(const std::string& file, const char* what, const at::Tensor& a, const at::Tensor& b) {
  const double difference = (a - b).abs().max().item<double>(), spread = b.numel() > 1 ? b.std().item<double>() : 0;
  if (!(difference <= tensor::size_tolerance.of_spread * spread +
                          tensor::size_tolerance.of_largest * b.abs().max().item<double>() + 1e-6))
    fail(Exit::data, "{}: its programs do not belong together: {} differ by {:.3g}", file, what, difference);
}

tensor::ForeignNetwork program_network(const Pt2Programs& p, const char* program,
                                       std::function<ProgramTensors(const at::Tensor&, const at::Tensor&)> call) {
  return {.file = fmt::format("{} ({})", p.file, program), .call = std::move(call)};
}

std::vector<int64_t> probe_programs(const Pt2ProgramsPtr& p, const config::ModelConfig& model, c10::Device device) {
  const tensor::ForeignNetwork g = program_network(
      *p, "decode", [p](const at::Tensor& z, const at::Tensor& y) { return ProgramTensors{pt2_samples(p, z, y)}; });
  const ProbedGenerator probed = probe_generator(g, model, device, p->of_samples());
  const int64_t n = std::min<int64_t>(64, probed.latents.input.size(0));
  const tensor::ProbeRows latents = probed.latents.some(0, n), samples = probed.samples.some(0, n);

  const tensor::ForeignNetwork r = program_network(*p, "ratio_grad", [p](const at::Tensor& z, const at::Tensor& y) {
    return p->ratio_grad({z, y}, 2);
  });
  const tensor::Probe of_r{r, "latent", {"log-ratios", "gradients"}, [&](const ProgramTensors& out, int64_t rows) {
                             check_log_ratios(r.file, out, rows, model.latent_dim);
                           }};
  tensor::check_function(of_r, latents, latents.input.flip(0) * 0.5);
  const ProgramTensors graded = tensor::checked_call(of_r, latents);
  const tensor::ForeignNetwork value = program_network(*p, "ratio", [p](const at::Tensor& z, const at::Tensor& y) {
    return p->ratio({z, y}, 1);
  });
  const tensor::Probe of_value{value, "latent", {"log-ratios"}, [&](const ProgramTensors& out, int64_t rows) {
                                 check_log_ratios(value.file, out, rows, model.latent_dim);
                               }};
  tensor::check_function(of_value, latents, latents.input.flip(0) * 0.5);
  require_agreement(p->file, "the log-ratios of 'ratio' and 'ratio_grad'",
                    tensor::checked_call(of_value, latents).front(), graded[0]);
  if (!p->of_samples()) {
    warn_of_scores(r.file, graded[0]);
    return samples.input.sizes().slice(1).vec();
  }
  const tensor::ForeignNetwork d = program_network(
      *p, "score", [p](const at::Tensor& x, const at::Tensor& y) { return ProgramTensors{pt2_scores(p, x, y)}; });
  probe_discriminator(d, model, probed.samples);
  at::NoGradGuard no_grad;
  require_agreement(p->file, "the log-ratios of 'ratio' and of 'score' after 'decode'",
                    pt2_scores(p, samples.input, samples.labels), graded[0]);
  const at::Tensor slope = p->score_grad({samples.input, samples.labels}, 2)[1];
  require_agreement(p->file, "the gradients of 'ratio_grad' and of 'score_grad' through 'decode_vjp'",
                    p->decode_vjp({latents.input, latents.labels, slope}, 1).front(), graded[1]);
  return samples.input.sizes().slice(1).vec();
}

Target program_target(const Pt2ProgramsPtr& p, const config::ModelConfig& model, c10::Device device) {
  const Prior prior = prior_from_name(model.prior);
  Target target = make_target(
      [p](const at::Tensor& z, const at::Tensor& y) {
        return tensor::in_network(p->file, "program 'decode' fails",
                                  [&] { return require_finite_samples(pt2_samples(p, z, y), p->file); });
      },
      [p](const at::Tensor& x, const at::Tensor& y) {
        return tensor::in_network(p->file, "program 'score' fails", [&] { return pt2_scores(p, x, y); });
      },
      model.latent_dim, device, prior);
  if (!p->of_samples()) {
    target.score_by = nullptr;
    target.corrected_by = nullptr;
  }
  target.evaluate_by = [p, prior](const at::Tensor& w, const at::Tensor& y) {
    at::AutoGradMode with_grad(prior != Prior::normal);
    const at::Tensor leaf = prior == Prior::normal ? w.detach() : w.detach().requires_grad_(true);
    const at::Tensor z = latent_of(prior, leaf);
    const ProgramTensors graded = tensor::in_network(p->file, "program 'ratio_grad' fails", [&] {
      return p->ratio_grad({z, y}, 2);
    });
    const at::Tensor slope =
        prior == Prior::normal ? graded[1] : torch::autograd::grad({z}, {leaf}, {graded[1]}).front();
    return Evaluation{-0.5 * w.detach().square().sum(1), graded[0], slope};
  };
  target.log_ratio_by = [p, prior](const at::Tensor& w, const at::Tensor& y) {
    return tensor::in_network(p->file, "program 'ratio' fails", [&] {
      return p->ratio({latent_of(prior, w.detach()), y}, 1).front();
    });
  };
  return target;
}

}  // namespace

config::ModelConfig model_of_pt2(const tensor::Pt2Archive& archive, const config::ModelConfig& model) {
  const Pt2Description about = description_of(archive);
  const config::ModelConfig defaults;
  config::ModelConfig adopted = model;
  const auto adopt = [&](const char* key, auto& value, const auto& by_default, const auto& archives) {
    if (value != by_default && value != archives)
      fail(Exit::data, "{}: {} is {}, but the archive says {}; leave the key out, it is taken from the archive",
           archive.file.string(), key, value, archives);
    value = archives;
  };
  adopt("model.latent_dim", adopted.latent_dim, defaults.latent_dim, about.latent_dim);
  adopt("model.classes", adopted.classes, defaults.classes, about.classes);
  adopt("model.prior", adopted.prior, defaults.prior, about.prior);
  return adopted;
}

ForeignGan load_pt2_gan(const tensor::Pt2Archive& archive, const config::ModelConfig& model, c10::Device device) {
  const Pt2Description about = description_of(archive);
  const Pt2ProgramsPtr programs = tried_programs(load_gan_programs(archive), archive, about, model.compiled, device);
  ForeignGan gan;
  gan.sample_shape = probe_programs(programs, model, device);
  gan.target = program_target(programs, model, device);
  gan.digest = hash64(sha256_of_file(archive.file));
  gan.compiled = programs->compiled;
  return gan;
}

}  // namespace ddls::sampling
