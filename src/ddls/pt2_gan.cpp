#include "ddls/pt2_gan.hpp"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/custom_class.h>

#include "base/error.hpp"
#include "base/files.hpp"
#include "ddls/gan_probe.hpp"
#include "ddls/pt2_description.hpp"
#include "device/device_of.hpp"
#include "version.hpp"

namespace ddls::sampling {
namespace {

using ProgramTensors = std::vector<at::Tensor>;

struct Programs {
  std::string file = {};
  tensor::Pt2Program decode, ratio, ratio_grad;
  tensor::Pt2Program score, score_grad, decode_vjp;  // all three, or none

  bool of_samples() const { return static_cast<bool>(score); }
};

Programs load_programs(const tensor::Pt2Archive& archive) {
  Programs p;
  p.file = archive.file.string();
  p.decode = {archive, "decode"};
  p.ratio = {archive, "ratio"};
  p.ratio_grad = {archive, "ratio_grad"};
  for (const char* name : {"score", "score_grad", "decode_vjp"})
    if (archive.programs.count(name) > 0) {
      p.score = {archive, "score"};
      p.score_grad = {archive, "score_grad"};
      p.decode_vjp = {archive, "decode_vjp"};
      break;
    }
  return p;
}

using ProgramsPtr = std::shared_ptr<const Programs>;

// Programs have no autograd: the generator's backward pass is one of them.
struct DecodeCall : torch::CustomClassHolder {
  DecodeCall(ProgramsPtr p, at::Tensor y) : programs(std::move(p)), labels(std::move(y)) {}
  ProgramsPtr programs;
  at::Tensor labels;
};
using DecodeCallPtr = c10::intrusive_ptr<DecodeCall>;

struct DecodeProgram : torch::autograd::Function<DecodeProgram> {
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& z, const DecodeCallPtr& call) {
    context->save_for_backward({z});
    context->saved_data["call"] = c10::IValue::make_capsule(call);
    return call->programs->decode({z, call->labels}, 1).front();
  }
  static ProgramTensors backward(torch::autograd::AutogradContext* context, const ProgramTensors& gradients) {
    const auto call = c10::static_intrusive_pointer_cast<DecodeCall>(context->saved_data["call"].toCapsule());
    const at::Tensor z = context->get_saved_variables().front();
    return {call->programs->decode_vjp({z, call->labels, gradients[0]}, 1).front(), {}};
  }
};

at::Tensor generated_by(const ProgramsPtr& p, const at::Tensor& z, const at::Tensor& labels) {
  if (p->of_samples() && at::GradMode::is_enabled() && z.requires_grad())
    return DecodeProgram::apply(z, c10::make_intrusive<DecodeCall>(p, labels));
  return p->decode({z, labels}, 1).front();
}

at::Tensor score_of(const ProgramsPtr& p, const at::Tensor& x, const at::Tensor& labels) {
  if (!at::GradMode::is_enabled() || !x.requires_grad()) return p->score({x, labels}, 1).front();
  const ProgramTensors graded = p->score_grad({x, labels}, 2);
  // The value plus a zero whose gradient is the program's.
  return graded[0] + ((x - x.detach()) * graded[1].reshape(x.sizes())).flatten(1).sum(1);
}

// ---- What is tried before work starts.

double largest_error(const at::Tensor& given, const at::Tensor& expected) {
  return (given.to(at::kCPU, at::kDouble) - expected).abs().max().item<double>() /
         std::max(expected.abs().max().item<double>(), 1e-30);
}

void run_self_test(const Programs& p, const Pt2Description& about, c10::Device device) {
  const Pt2SelfTest& test = about.test;
  const auto to_device = [&](const at::Tensor& x) { return x.defined() ? x.to(device) : x; };
  const at::Tensor z = to_device(test.latents), y = to_device(test.labels);
  const std::string versions = fmt::format("written with torch {}, run with {}", about.torch, version::torch);
  const auto tried = [&](const tensor::Pt2Program& program, const char* name, size_t outputs) {
    return tensor::in_network(p.file,
                              fmt::format("self-test: program '{}' fails on latents [{}]{} ({})", name,
                                          fmt::join(z.sizes(), ", "), y.defined() ? " and labels" : "", versions),
                              [&] {
                                return program({z, y}, outputs);
                              });
  };
  const auto compare = [&](const char* name, const char* what, const at::Tensor& given, const at::Tensor& expected) {
    if (given.sizes() != expected.sizes())
      fail(Exit::data, "{}: self-test: program '{}' gives {} [{}], not [{}] as ddls.json says", p.file, name, what,
           fmt::join(given.sizes(), ", "), fmt::join(expected.sizes(), ", "));
    const double error = largest_error(given, expected);
    if (!(error <= about.tolerance))
      fail(Exit::data,
           "{}: self-test: the {} of program '{}' are off by {:.2g} of the largest, allowed {:.2g} ({}); a damaged or "
           "changed archive, or one that this version of LibTorch runs otherwise: export it anew",
           p.file, what, name, error, about.tolerance, versions);
  };
  const at::Tensor x = tried(p.decode, "decode", 1).front();
  std::vector<int64_t> shape{z.size(0)};
  shape.insert(shape.end(), about.sample_shape.begin(), about.sample_shape.end());
  if (x.sizes() != at::IntArrayRef(shape))
    fail(Exit::data, "{}: self-test: program 'decode' gives samples [{}], not [{}] as ddls.json says", p.file,
         fmt::join(x.sizes(), ", "), fmt::join(shape, ", "));
  compare("decode", "samples", x.flatten(1).to(at::kCPU).index_select(1, test.sample_places), test.samples);
  compare("ratio", "log-ratios", tried(p.ratio, "ratio", 1).front(), test.log_ratio);
  const ProgramTensors graded = tried(p.ratio_grad, "ratio_grad", 2);
  compare("ratio_grad", "log-ratios", graded[0], test.log_ratio);
  compare("ratio_grad", "gradients", graded[1], test.gradient);
}

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

tensor::ForeignNetwork program_network(const Programs& p, const char* program,
                                       std::function<ProgramTensors(const at::Tensor&, const at::Tensor&)> call) {
  return {.file = fmt::format("{} ({})", p.file, program), .call = std::move(call)};
}

std::vector<int64_t> probe_programs(const ProgramsPtr& p, const config::ModelConfig& model, c10::Device device) {
  const tensor::ForeignNetwork g = program_network(
      *p, "decode", [p](const at::Tensor& z, const at::Tensor& y) { return ProgramTensors{generated_by(p, z, y)}; });
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
      *p, "score", [p](const at::Tensor& x, const at::Tensor& y) { return ProgramTensors{score_of(p, x, y)}; });
  probe_discriminator(d, model, probed.samples);
  at::NoGradGuard no_grad;
  require_agreement(p->file, "the log-ratios of 'ratio' and of 'score' after 'decode'",
                    score_of(p, samples.input, samples.labels), graded[0]);
  const at::Tensor slope = p->score_grad({samples.input, samples.labels}, 2)[1];
  require_agreement(p->file, "the gradients of 'ratio_grad' and of 'score_grad' through 'decode_vjp'",
                    p->decode_vjp({latents.input, latents.labels, slope}, 1).front(), graded[1]);
  return samples.input.sizes().slice(1).vec();
}

// ---- The target.

at::Tensor require_finite_samples(const at::Tensor& samples, const std::string& file) {
  if (!at::isfinite(samples).all().item<bool>())
    fail(Exit::data, "{}: some of the {} samples that it was asked for are not finite numbers", file, samples.size(0));
  return samples;
}

Target program_target(const ProgramsPtr& p, const config::ModelConfig& model, c10::Device device) {
  const Prior prior = prior_from_name(model.prior);
  Target target = make_target(
      [p](const at::Tensor& z, const at::Tensor& y) {
        return tensor::in_network(p->file, "program 'decode' fails",
                                  [&] { return require_finite_samples(generated_by(p, z, y), p->file); });
      },
      [p](const at::Tensor& x, const at::Tensor& y) {
        return tensor::in_network(p->file, "program 'score' fails", [&] { return score_of(p, x, y); });
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
  if (about.device != device::kind_of(device))
    fail(Exit::config,
         "{}: made for the device '{}', but this rank computes on {}; choose it by --device, or export it anew",
         archive.file.string(), about.device, device.str());
  const auto programs = std::make_shared<const Programs>(load_programs(archive));
  run_self_test(*programs, about, device);
  ForeignGan gan;
  gan.sample_shape = probe_programs(programs, model, device);
  gan.target = program_target(programs, model, device);
  gan.digest = hash64(sha256_of_file(archive.file));
  return gan;
}

}  // namespace ddls::sampling
