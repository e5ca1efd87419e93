#include "tensor/network_probe.hpp"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <map>
#include <optional>

#include "base/error.hpp"

namespace ddls::tensor {
namespace {

using Outputs = std::vector<at::Tensor>;

bool names(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }

std::string text_of(at::IntArrayRef sizes) { return fmt::format("[{}]", fmt::join(sizes, ", ")); }

std::string name_of(at::ScalarType type) {
  switch (type) {
    case at::kHalf:
      return "float16";
    case at::kBFloat16:
      return "bfloat16";
    case at::kDouble:
      return "float64";
    default:
      return c10::toString(type);
  }
}

// "0.weight is float16", of the first such weight.
std::optional<std::string> weight_of_other_type(const ForeignNetwork& network) {
  if (!network.tensors) return std::nullopt;
  for (const auto& [name, tensor] : network.tensors())
    if (tensor.is_floating_point() && tensor.scalar_type() != at::kFloat)
      return fmt::format("{} is {}", name, name_of(tensor.scalar_type()));
  return std::nullopt;
}

bool works(const ForeignNetwork& network, const at::Tensor& input, const at::Tensor& labels) {
  at::NoGradGuard no_grad;
  try {
    const Outputs outputs = network.call(input.clone(), labels);
    return !outputs.empty() && outputs.front().dim() > 0 && outputs.front().size(0) == input.size(0);
  } catch (const std::exception&) {
    return false;
  }
}

// How many rows it takes where the number is written into the file.
std::optional<int64_t> baked_size(const ForeignNetwork& network, const ProbeRows& rows) {
  for (const int64_t n : {8, 1, 2, 3, 4, 5, 6, 7, 10, 16, 20, 25, 32, 50, 64, 100, 128}) {
    const at::Tensor places = at::arange(n, rows.input.options().dtype(at::kLong)).remainder(rows.input.size(0));
    const at::Tensor labels = rows.labels.defined() ? rows.labels.index_select(0, places) : at::Tensor();
    if (n != rows.input.size(0) && works(network, rows.input.index_select(0, places), labels)) return n;
  }
  return std::nullopt;
}

std::string size_message(int64_t works_on, int64_t fails_on) {
  return fmt::format(
      "it works on {} rows at once and not on {}: a batch size is written into the file; use x.size(0) or -1 in view "
      "and reshape, and export it anew (torch.jit.script, where a trace keeps the number)",
      works_on, fails_on);
}

// Where labels from some class on fail: how many classes work.
std::optional<int64_t> classes_that_work(const ForeignNetwork& network, const ProbeRows& rows) {
  if (!rows.labels.defined()) return std::nullopt;
  const auto label_works = [&](int64_t label) { return works(network, rows.input, at::full_like(rows.labels, label)); };
  int64_t good = 0, bad = rows.labels.max().item<int64_t>();
  if (bad == 0 || !label_works(good) || label_works(bad)) return std::nullopt;
  while (bad - good > 1) {
    const int64_t middle = (good + bad) / 2;
    (label_works(middle) ? good : bad) = middle;
  }
  return bad;
}

// What is known about the failure of a call; empty where nothing is.
std::string explanation(const Probe& probe, const ProbeRows& rows, const std::string& reason) {
  for (const char* sign :
       {"same device", "NVIDIA driver", "'CUDA' backend", "compiled with CUDA", "CUDA driver", "device type",
        "No CUDA GPUs", "not linked with support", "accelerator", "lazy initialization"})
    if (names(reason, sign))
      return "a device is written into the file; create tensors with device=x.device of an input, or export it on the "
             "CPU after .cpu()";
  if (const auto weight = weight_of_other_type(probe.network))
    return fmt::format("its weights are not float32 ({}); call .float() before the export", *weight);
  for (const char* sign : {"leaf Variable that requires grad", "inplace operation", "in-place operation"})
    if (names(reason, sign)) return "it changes its input in place";
  const ProbeRows two = rows.some(0, std::min<int64_t>(2, rows.input.size(0)));
  if (probe.remedies && !works(probe.network, two.input, two.labels))
    for (const Remedy& remedy : probe.remedies(two.input, two.labels))
      if (works(probe.network, remedy.input(), remedy.labels ? remedy.labels() : two.labels)) return remedy.cure;
  if (const auto classes = classes_that_work(probe.network, rows))
    return fmt::format("it takes the labels 0 to {} alone: model.classes is more than its {} classes", *classes - 1,
                       *classes);
  if (const auto n = baked_size(probe.network, rows)) return size_message(*n, rows.input.size(0));
  return {};
}

Outputs explained_call(const Probe& probe, const ProbeRows& rows) {
  try {
    return probe.network(rows.input, rows.labels);
  } catch (const Error& error) {
    if (error.code() != Exit::data) throw;
    const std::string cause = explanation(probe, rows, std::string(error.what()).substr(probe.network.file.size()));
    if (cause.empty()) throw;
    fail(Exit::data, "{}: forward fails on {}s {}{}: {}", probe.network.file, probe.of, text_of(rows.input.sizes()),
         rows.labels.defined() ? " and labels" : "", cause);
  }
}

void check_values(const Probe& probe, const ProbeRows& rows, const Outputs& outputs) {
  const int64_t n = rows.input.size(0);
  for (size_t i = 0; i < outputs.size(); ++i) {
    const at::Tensor& out = outputs[i];
    if (!out.defined()) continue;
    if (out.layout() != at::kStrided || out.is_quantized())
      fail(Exit::data, "{}: its {} are no dense tensor of plain numbers; end it with to_dense() or dequantize()",
           probe.network.file, probe.outputs[i]);
    if (out.device() != rows.input.device())
      fail(Exit::data, "{}: a device is written into the file: for {}s on {} its {} are on {}; export it on the CPU",
           probe.network.file, probe.of, rows.input.device().str(), probe.outputs[i], out.device().str());
  }
  probe.check(outputs, n);
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (!outputs[i].defined() || outputs[i].numel() == 0) continue;
    const int64_t bad = at::isfinite(outputs[i]).reshape({n, -1}).all(1).logical_not().sum().item<int64_t>();
    if (bad > 0)
      fail(Exit::data, "{}: some {} are not finite numbers: those of {} of {} {}s", probe.network.file,
           probe.outputs[i], bad, n, probe.of);
  }
}

struct Difference {
  double largest = 0, limit = 0;
  bool small() const { return largest <= limit; }  // NaN is not
};

Difference difference(const at::Tensor& a, const at::Tensor& b, const at::Tensor& all, const Tolerance& tolerance) {
  if (a.numel() == 0) return {};
  const at::Tensor values = all.detach().to(at::kDouble);
  const double spread = values.numel() > 1 ? values.std().item<double>() : 0;
  return {(a.detach().to(at::kDouble) - b.detach().to(at::kDouble).reshape(a.sizes())).abs().max().item<double>(),
          tolerance.of_spread * spread + tolerance.of_largest * values.abs().max().item<double>()};
}

// The output that differs most beyond its limit; none where all agree.
std::optional<size_t> first_difference(const Outputs& a, const Outputs& b, const Outputs& all,
                                       const Tolerance& tolerance) {
  for (size_t i = 0; i < a.size(); ++i)
    if (a[i].defined() && !difference(a[i], b[i], all[i], tolerance).small()) return i;
  return std::nullopt;
}

Outputs rows_of(const Outputs& outputs, const at::Tensor& places) {
  Outputs rows;
  for (const at::Tensor& out : outputs) rows.push_back(out.defined() ? out.index_select(0, places) : out);
  return rows;
}

void check_company(const Probe& probe, const ProbeRows& rows, const at::Tensor& others, const Outputs& first) {
  // Which rows stay has no period of two, so that none of the groups that layers make of a batch stays whole.
  const int64_t n = rows.input.size(0);
  const at::Tensor place = at::arange(n, rows.input.options().dtype(at::kLong));
  const at::Tensor stays = place.remainder(5).lt(2);
  std::vector<int64_t> as_column(static_cast<size_t>(rows.input.dim()), 1);
  as_column[0] = n;
  const at::Tensor mixed = at::where(stays.view(as_column), rows.input, others);
  const Outputs again = probe.network(mixed, rows.labels);
  probe.check(again, n);
  const at::Tensor kept = stays.nonzero().flatten();
  if (const auto i = first_difference(rows_of(first, kept), rows_of(again, kept), first, company_tolerance))
    fail(Exit::data,
         "{}: what it gives for one {} depends on the others of its batch (its {}): batch statistics; call .eval() "
         "before the export, and leave out layers such as minibatch standard deviation",
         probe.network.file, probe.of, probe.outputs[*i]);
}

void check_sizes(const Probe& probe, const ProbeRows& rows, const Outputs& first) {
  const int64_t n = rows.input.size(0);
  for (const int64_t size : {int64_t{1}, std::min<int64_t>(7, n - 1)}) {
    const int64_t begin = std::min<int64_t>(3, n - size);
    const ProbeRows part = rows.some(begin, size);
    Outputs outputs;
    try {
      outputs = probe.network(part.input, part.labels);
      probe.check(outputs, size);
    } catch (const Error& error) {
      if (error.code() != Exit::data) throw;
      fail(Exit::data, "{} ({}; with squeeze(), name the dimension)", error.what(), size_message(n, size));
    }
    Outputs same;
    for (const at::Tensor& out : first) same.push_back(out.defined() ? out.narrow(0, begin, size) : out);
    if (const auto i = first_difference(same, outputs, first, size_tolerance))
      fail(Exit::data,
           "{}: its {} depend on how many {}s it is given at once ({} or {}); call .eval() before the export, and use "
           "no statistics of a batch",
           probe.network.file, probe.outputs[*i], probe.of, n, size);
  }
}

using Versions = std::map<std::string, std::pair<const void*, uint32_t>>;

Versions versions_of(const ForeignNetwork& network) {
  Versions versions;
  if (network.tensors)
    for (const auto& [name, tensor] : network.tensors())
      if (tensor.is_floating_point() && !tensor.is_inference())
        versions[name] = {tensor.const_data_ptr(), static_cast<uint32_t>(tensor._version())};
  return versions;
}

void check_state(const ForeignNetwork& network, const Versions& before) {
  for (const auto& [name, version] : versions_of(network))
    if (const auto was = before.find(name); was != before.end() && was->second != version)
      fail(Exit::data,
           "{}: forward changes its own {}, so that what it gives depends on the calls before; call .eval() before the "
           "export (spectral norm then leaves its vectors as they are)",
           network.file, name);
}

}  // namespace

ProbeRows ProbeRows::some(int64_t begin, int64_t count) const {
  return {input.narrow(0, begin, count), labels.defined() ? labels.narrow(0, begin, count) : labels};
}

std::vector<at::Tensor> checked_call(const Probe& probe, const ProbeRows& rows) {
  at::NoGradGuard no_grad;
  const ProbeRows given{rows.input.clone(), rows.labels.defined() ? rows.labels.clone() : rows.labels};
  Outputs outputs = explained_call(probe, given);
  const bool kept =
      at::equal(given.input, rows.input) && (!rows.labels.defined() || at::equal(given.labels, rows.labels));
  if (!kept)
    fail(Exit::data,
         "{}: forward changes its input in place; begin it with x = x.clone(), or write x = x / y for x.div_(y) and x "
         "= x * y for x *= y",
         probe.network.file);
  check_values(probe, rows, outputs);
  return outputs;
}

void check_function(const Probe& probe, const ProbeRows& rows, const at::Tensor& others) {
  at::NoGradGuard no_grad;
  const Versions before = versions_of(probe.network);
  const Outputs first = checked_call(probe, rows);
  if (const auto i = first_difference(first, checked_call(probe, rows), first, again_tolerance))
    fail(Exit::data,
         "{}: the same {}s give other {} each time: it draws random numbers (dropout or noise) or keeps a state; call "
         ".eval() before the export, and make noise an input of fixed value",
         probe.network.file, probe.of, probe.outputs[*i]);
  check_company(probe, rows, others, first);
  check_sizes(probe, rows, first);
  check_state(probe.network, before);
}

at::Tensor check_gradient(const Probe& probe, const ProbeRows& rows) {
  at::AutoGradMode with_grad(true);
  const std::string& file = probe.network.file;
  const at::Tensor leaf = rows.input.detach().clone().requires_grad_(true);
  const Outputs outputs = explained_call(probe, {leaf, rows.labels});
  check_values(probe, rows, outputs);
  const at::Tensor& out = outputs.front();
  if (!out.requires_grad())
    fail(Exit::data,
         "{}: its output cannot be differentiated with respect to the {}s; export it without no_grad, detach, rounding "
         "or quantised layers",
         file, probe.of);
  at::Tensor gradient;
  try {
    // Weights of both signs, so that no symmetry of the output cancels its gradient.
    const at::Tensor weights =
        at::arange(out.numel(), out.options().requires_grad(false)).mul(0.7).cos().reshape(out.sizes());
    const at::Tensor sum = out.dim() > 1 && out.numel() > out.size(0) ? (out * weights).sum() : out.sum();
    gradient = torch::autograd::grad({sum}, {leaf}, {}, std::nullopt, false, /*allow_unused=*/true).front();
  } catch (...) {
    throw_as_foreign(file,
                     "its gradient cannot be computed (a change in place, such as mul_, of a value that the backward "
                     "pass needs, or an operation without a gradient)");
  }
  if (!gradient.defined()) fail(Exit::data, "{}: its output does not depend on the {}s", file, probe.of);
  const int64_t n = leaf.size(0);
  const int64_t bad = at::isfinite(gradient).reshape({n, -1}).all(1).logical_not().sum().item<int64_t>();
  if (bad > 0)
    fail(Exit::data,
         "{}: its gradient with respect to the {}s is not finite for {} of {} of them: a square root, norm, log or "
         "power at 0; add a small constant there",
         file, probe.of, bad, n);
  if (gradient.abs().max().item<double>() == 0 && (out - out.narrow(0, 0, 1)).abs().max().item<double>() > 0)
    fail(Exit::data,
         "{}: its gradient with respect to the {}s is 0 everywhere, though its output varies: a rounding, sign or "
         "step; leave it out",
         file, probe.of);
  return out.detach();
}

}  // namespace ddls::tensor
