#include "ddls/pt2_programs.hpp"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/custom_class.h>

#include "base/error.hpp"
#include "tensor/pt2_self_test.hpp"

namespace ddls::sampling {
namespace {

using ProgramTensors = std::vector<at::Tensor>;

// Programs have no autograd: the generator's backward pass is one of them.
struct DecodeCall : torch::CustomClassHolder {
  DecodeCall(Pt2ProgramsPtr p, at::Tensor y) : programs(std::move(p)), labels(std::move(y)) {}
  Pt2ProgramsPtr programs;
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

}  // namespace

Pt2Programs load_gan_programs(const tensor::Pt2Archive& archive) {
  if (archive.programs.count("ratio") == 0 && archive.programs.count("decode_vjp") > 0)
    fail(Exit::data,
         "{}: it has a generator alone (no program 'ratio'), so nothing says where to go; fit a ratio on reals, by a "
         "configuration with model: {{architecture: pretrained, generator: {}}}, or export it with a discriminator",
         archive.file.string(), archive.file.string());
  Pt2Programs p;
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

Pt2Programs load_generator_programs(const tensor::Pt2Archive& archive) {
  Pt2Programs p;
  p.file = archive.file.string();
  p.decode = {archive, "decode"};
  p.decode_vjp = {archive, "decode_vjp"};
  if (archive.programs.count("score") > 0) {
    p.score = {archive, "score"};
    p.score_grad = {archive, "score_grad"};
  }
  return p;
}

at::Tensor pt2_samples(const Pt2ProgramsPtr& p, const at::Tensor& z, const at::Tensor& labels) {
  if (p->decode_vjp && at::GradMode::is_enabled() && z.requires_grad())
    return DecodeProgram::apply(z, c10::make_intrusive<DecodeCall>(p, labels));
  return p->decode({z, labels}, 1).front();
}

at::Tensor pt2_scores(const Pt2ProgramsPtr& p, const at::Tensor& x, const at::Tensor& labels) {
  if (!at::GradMode::is_enabled() || !x.requires_grad()) return p->score({x, labels}, 1).front();
  const ProgramTensors graded = p->score_grad({x, labels}, 2);
  // The value plus a zero whose gradient is the program's.
  return graded[0] + ((x - x.detach()) * graded[1].reshape(x.sizes())).flatten(1).sum(1);
}

void run_self_test(const Pt2Programs& p, const Pt2Description& about, c10::Device device) {
  const Pt2SelfTest& test = about.test;
  const at::Tensor z = test.latents.to(device), y = test.labels.defined() ? test.labels.to(device) : test.labels;
  const tensor::Pt2Trial trial(
      p.file, about.origin,
      fmt::format("latents [{}]{}", fmt::join(z.sizes(), ", "), y.defined() ? " and labels" : ""));
  const at::Tensor x = trial.run(p.decode, {z, y}, 1).front();
  std::vector<int64_t> shape{z.size(0)};
  shape.insert(shape.end(), about.sample_shape.begin(), about.sample_shape.end());
  if (x.sizes() != at::IntArrayRef(shape))
    fail(Exit::data, "{}: self-test: program 'decode' gives samples [{}], not [{}] as ddls.json says", p.file,
         fmt::join(x.sizes(), ", "), fmt::join(shape, ", "));
  trial.compare(p.decode, "samples", x.flatten(1).to(at::kCPU).index_select(1, test.sample_places), test.samples);
  if (p.ratio) {
    if (!test.log_ratio.defined())
      fail(Exit::data, "{}: ddls.json has no self-test of its program 'ratio'; export it anew", p.file);
    trial.compare(p.ratio, "log-ratios", trial.run(p.ratio, {z, y}, 1).front(), test.log_ratio);
    const ProgramTensors graded = trial.run(p.ratio_grad, {z, y}, 2);
    trial.compare(p.ratio_grad, "log-ratios", graded[0], test.log_ratio);
    trial.compare(p.ratio_grad, "gradients", graded[1], test.gradient);
  }
  if (p.decode_vjp && test.pullback.defined())
    trial.compare(p.decode_vjp, "gradients", trial.run(p.decode_vjp, {z, y, tensor::trial_gradients(x)}, 1).front(),
                  test.pullback);
}

at::Tensor require_finite_samples(const at::Tensor& samples, const std::string& file) {
  if (!at::isfinite(samples).all().item<bool>())
    fail(Exit::data, "{}: some of the {} samples that it was asked for are not finite numbers", file, samples.size(0));
  return samples;
}

}  // namespace ddls::sampling
