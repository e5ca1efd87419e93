// The tilt: its fit against closed forms, its place in a target against finite differences, and what a file keeps of
// it.
#include "ddls/calibration/tilt.hpp"

#include <gtest/gtest.h>
#include <ATen/ATen.h>

#include "config/load.hpp"
#include "ddls/calibration/tilt_fit.hpp"
#include "ddls/registry.hpp"
#include "models/classifier.hpp"
#include "models/factory.hpp"
#include "models/network.hpp"
#include "models/state.hpp"
#include "tensor/noise.hpp"
#include "unit/models/published_models.hpp"
#include "unit/models/made_network.hpp"

namespace ddls::sampling::tilt_test {
namespace {

at::Tensor draws(int64_t rows, int64_t columns, uint64_t seed) {
  return tensor::Noise{seed}.normal({0, rows}, columns, 0, Stream::prior, test::device()).to(at::kDouble);
}

// From N(0, 1) to N(m, s^2): w = (m / s^2, (1 - 1 / s^2) / 2) for phi = (x, x^2).
TEST(TiltFit, FindsTheTiltFromOneGaussianToAnother) {
  const double m = 0.5, s = 0.8;
  const at::Tensor pool = draws(400'000, 1, 1), real = draws(400'000, 1, 2) * s + m;
  const auto phi = [](const at::Tensor& x) { return LabelledRows{at::cat({x, x.square()}, 1), {}}; };
  const at::Tensor w = TiltProblem(phi(real), phi(pool)).minimum(0);
  EXPECT_NEAR(w[0].item<double>(), m / (s * s), 0.02);
  EXPECT_NEAR(w[1].item<double>(), (1 - 1 / (s * s)) / 2, 0.02);
}

TEST(TiltFit, TheWeightedPoolHasTheRealsMeans) {
  const at::Tensor x = draws(3000, 3, 3), y = draws(2000, 3, 4) * 0.7 + 0.3,
                   w = TiltProblem({y, {}}, {x, {}}).minimum(0);
  const at::Tensor weights = at::softmax(at::mv(x, w), 0);
  EXPECT_TRUE(at::allclose(at::mv(x.t(), weights), y.mean(0), 0, 1e-5)) << at::mv(x.t(), weights) - y.mean(0);
}

TEST(TiltFit, GradientAgreesWithFiniteDifferencesAndVanishesAtTheMinimum) {
  const at::Tensor classes = at::arange(900, test::there(at::kLong)).remainder(3),
                   of_real = at::arange(600, test::there(at::kLong)).remainder(2);
  const TiltProblem problem({draws(600, 4, 5) + 0.2, of_real}, {draws(900, 4, 6), classes});  // class 2: no reals
  const at::Tensor w = draws(4, 1, 7).flatten(), direction = draws(4, 1, 8).flatten();
  const double h = 1e-6, ridge = 0.1;
  const double numeric =
      (problem.objective(w + h * direction, ridge) - problem.objective(w - h * direction, ridge)) / (2 * h);
  EXPECT_NEAR(problem.gradient(w, ridge).dot(direction).item<double>(), numeric, 1e-7);
  EXPECT_LT(problem.gradient(problem.minimum(ridge), ridge).abs().max().item<double>(), 1e-5);
  EXPECT_LT(problem.minimum(10).norm().item<double>(), problem.minimum(0.01).norm().item<double>());
}

// Each class has a normaliser of its own: an offset of a class changes nothing.
TEST(TiltFit, ClassesAreNormalisedEachByItself) {
  const at::Tensor classes = at::arange(500, test::there(at::kLong)).remainder(2),
                   shift = classes.to(at::kDouble).unsqueeze(1) * 3;
  const at::Tensor x = draws(500, 1, 9), y = draws(500, 1, 10) + 0.4;
  const at::Tensor with = TiltProblem({y + shift, classes}, {x + shift, classes}).minimum(0.01),
                   without = TiltProblem({y, classes}, {x, classes}).minimum(0.01);
  EXPECT_TRUE(at::allclose(with, without, 0, 1e-6)) << with - without;
}

TEST(TiltFit, RefusesAPoolWithoutAClassOfTheReals) {
  EXPECT_ANY_THROW(TiltProblem({draws(10, 1, 1), at::ones({10}, test::there(at::kLong))},
                               {draws(10, 1, 2), at::zeros({10}, test::there(at::kLong))}));
}

struct Case {
  models::NetworkPtr generator, ratio;
  Target target;
  std::vector<SampleFeatures> features;
  Tilt tilt;
  at::Tensor labels;  // of 6 chains
};

Tilt some_tilt(const std::vector<std::string>& names, const std::vector<SampleFeatures>& features,
               const at::Tensor& samples, int64_t classes) {
  Tilt tilt{draws(classes, 1, 20).flatten().cpu() + 1, draws(classes, 1, 21).flatten().cpu(), {}};
  for (size_t i = 0; i < names.size(); ++i) {
    const FeatureComponents components = principal_components_of_many(features[i].of(samples), 4);
    const TiltTerms terms{components, 3};
    const at::Tensor w = draws(terms.columns(), 1, 30 + i).flatten().cpu() * 0.05;
    tilt.parts.push_back({names[i], components, i == 1 ? 0 : tilt_bound, terms.linear(w), terms.quadratic(w)});
    if (i == 1) tilt.parts.back().quadratic = at::diag(tilt.parts.back().quadratic);  // as the first tilts had them
  }
  return tilt;
}

Case image_case(const config::ModelConfig& model) {
  const models::SampleShape shape{3, 16, 16};
  Case c;
  c.generator = test::make_network(model, models::Role::generator, shape, 3);
  c.ratio = test::make_network(model, models::Role::ratio, shape, 4);
  c.target = make_target(c.generator, c.ratio, model.latent_dim, test::device());
  const auto classifier = std::make_shared<models::Classifier>(shape, std::vector<int64_t>{4, 8}, 5);
  const std::vector<std::string> names{"pixels", "convolutions", "classifier"};
  for (const std::string& name : names)
    c.features.push_back(make_sample_features(name, {shape, test::device(), 7, classifier}));
  at::NoGradGuard no_grad;
  const int64_t classes = std::max<int64_t>(model.classes, 1);
  if (model.classes > 0) c.labels = at::arange(6, test::there(at::kLong)).remainder(classes);
  const at::Tensor labels =
      model.classes > 0 ? at::arange(40, test::there(at::kLong)).remainder(classes) : at::Tensor();
  c.tilt =
      some_tilt(names, c.features, c.target.decode(draws(40, model.latent_dim, 11).to(at::kFloat), labels), classes);
  return c;
}

std::vector<config::ModelConfig> image_models() {
  config::ModelConfig dcgan = test::sn_dcgan32(), biggan = test::biggan(18, {32, 16, 16}, {8, 16, 16}, 2, 8, 4);
  dcgan.latent_dim = 12;
  dcgan.generator_widths = {32, 16, 8};
  dcgan.ratio_widths = {8, 16, 32};
  biggan.embedding_dim = 4;
  return {dcgan, biggan};
}

// Through the inference graphs, in one backward pass, what autograd gives through the networks.
TEST(Tilt, InferenceGraphsAgreeWithAutograd) {
  for (const config::ModelConfig& model : image_models()) {
    const Case c = image_case(model);
    const RatioCorrection correction = correction_of(c.tilt, c.features, test::device());
    const Target by_graph = c.target.corrected(correction);
    const Target by_autograd =
        make_target([g = c.generator](const at::Tensor& z, const at::Tensor& y) { return g->forward(z, y); },
                    [r = c.ratio](const at::Tensor& x, const at::Tensor& y) { return r->forward(x, y); },
                    model.latent_dim, test::device())
            .corrected(correction);
    const at::Tensor z = draws(6, model.latent_dim, 12).to(at::kFloat);
    const Evaluation a = by_graph.evaluate(z, c.labels), b = by_autograd.evaluate(z, c.labels);
    EXPECT_TRUE(at::allclose(a.log_ratio, b.log_ratio, 1e-4, 1e-4)) << a.log_ratio - b.log_ratio;
    EXPECT_TRUE(at::allclose(a.grad_log_ratio, b.grad_log_ratio, 1e-3, 1e-4))
        << (a.grad_log_ratio - b.grad_log_ratio).abs().max();
    EXPECT_TRUE(at::allclose(by_graph.log_ratio(z, c.labels), a.log_ratio, 1e-4, 1e-4));
    at::NoGradGuard no_grad;
    EXPECT_TRUE(at::allclose(by_graph.score_by(by_graph.decode(z, c.labels), c.labels), a.log_ratio, 1e-4, 1e-4));
    EXPECT_TRUE(at::equal(by_graph.decode(z, c.labels), c.target.decode(z, c.labels)));
    EXPECT_FALSE(at::allclose(a.log_ratio, c.target.log_ratio(z, c.labels), 1e-2, 1e-2));
  }
}

// What is fitted to columns is what the form of a target computes.
TEST(Tilt, ColumnsTimesWeightsIsTheForm) {
  for (const bool squares : {true, false}) {
    const TiltTerms terms{principal_components_of_many(draws(300, 5, 50), 5), 3, squares};
    const at::Tensor x = draws(20, 5, 51).to(at::kFloat), columns = terms.of(x);
    ASSERT_EQ(columns.size(1), 5 + (squares ? 5 : 0) + 3);
    ASSERT_EQ(terms.columns(), columns.size(1));
    const at::Tensor w = draws(columns.size(1), 1, 52).flatten().cpu();
    const SampleFeatures as_it_is{[](const at::Tensor& samples) { return samples; }};
    const Tilt tilt{at::ones({1}, at::kDouble),
                    at::zeros({1}, at::kDouble),
                    {{"x", terms.components, tilt_bound, terms.linear(w), terms.quadratic(w)}}};
    const at::Tensor by_form = correction_of(tilt, {as_it_is}, test::device()).term(x, {});
    EXPECT_TRUE(
        at::allclose(by_form.to(at::kDouble), at::mv(columns.to(at::kDouble), w.to(test::device())), 1e-5, 1e-5));
    const at::Tensor far = terms.of(at::cat({x, x * 1e4}));
    EXPECT_LE(far.narrow(1, 0, 5).abs().max().item<double>(), tilt_bound);
  }
}

// Groups of one part give the columns and the sum of as many parts.
TEST(Tilt, GroupsAreAsPartsOfTheirOwn) {
  const at::Tensor x = draws(300, 7, 50).to(at::kFloat), head = x.narrow(1, 0, 4), tail = x.narrow(1, 4, 3);
  const TiltTerms first{principal_components_of_many(head, 3), 2}, second{principal_components_of_many(tail, 2), 2};
  const TiltTerms both{{at::cat({first.components.mean, second.components.mean}),
                        at::block_diag({first.components.directions, second.components.directions})},
                       2,
                       true,
                       {3, 2}};
  const at::Tensor a = first.of(head), b = second.of(tail);  // t, t^2, one product
  const auto joined = [](const at::Tensor& of_first, const at::Tensor& of_second) {
    const int64_t dim = of_first.dim() - 1;
    const auto parts = of_first.split_with_sizes({3, 3, 1}, dim), others = of_second.split_with_sizes({2, 2, 1}, dim);
    return at::cat({parts[0], others[0], parts[1], others[1], parts[2], others[2]}, dim);
  };
  ASSERT_EQ(both.columns(), 12);
  EXPECT_TRUE(at::allclose(both.of(x), joined(a, b), 1e-6, 1e-6));
  const at::Tensor w = draws(7, 1, 52).flatten().cpu(), v = draws(5, 1, 53).flatten().cpu(), all = joined(w, v);
  EXPECT_TRUE(at::equal(both.linear(all), at::cat({first.linear(w), second.linear(v)})));
  EXPECT_TRUE(at::equal(both.quadratic(all), at::block_diag({first.quadratic(w), second.quadratic(v)})));
}

TEST(Tilt, GradientOfPointsAgreesWithFiniteDifferences) {
  config::ModelConfig mlp;
  mlp.generator_widths = mlp.ratio_widths = {32, 32};
  const models::NetworkPtr g = test::make_network(mlp, models::Role::generator, {2}, 2),
                           r = test::make_network(mlp, models::Role::ratio, {2}, 2);
  g->to(at::kDouble);
  r->to(at::kDouble);
  const Target raw = make_target(g, r, 2, test::device());
  FeatureSource source{{2}, test::device(), 7};
  source.reals = raw.decode(draws(60, 2, 3)).to(at::kCPU, at::kFloat);
  const std::vector<SampleFeatures> features{make_sample_features("waves", source),
                                             make_sample_features("clusters", source)};
  const Tilt tilt = some_tilt({"waves", "clusters"}, features, raw.decode(draws(60, 2, 3)), 1);
  const Target target = raw.corrected(correction_of(tilt, features, test::device()));
  const at::Tensor z = draws(9, 2, 4), direction = draws(9, 2, 5);
  const double h = 1e-4;  // the components' map is kept in float32
  const at::Tensor numeric =
      (energy(target.evaluate(z + h * direction)) - energy(target.evaluate(z - h * direction))) / (2 * h);
  const at::Tensor analytic = (energy_gradient(z, target.evaluate(z)) * direction).sum(1);
  EXPECT_TRUE(at::allclose(analytic, numeric, 1e-5, 1e-6)) << (analytic - numeric);
}

// Three modes of equal mass among the draws, of masses 0.5, 0.3 and 0.2 among the reals.
TEST(Tilt, ClustersMatchTheMassesOfModes) {
  const auto mixture = [](int64_t n, const std::vector<double>& ends, uint64_t seed) {
    const at::Tensor u = tensor::Noise{seed}.uniform({0, n}, 1, 1, Stream::prior, test::device()).to(at::kDouble);
    const at::Tensor mode = (u > ends[0]).to(at::kDouble) + (u > ends[1]).to(at::kDouble);  // [n, 1]
    return draws(n, 2, seed) * 0.05 + at::cat({mode - 1, (mode - 1).square()}, 1);
  };
  const at::Tensor pool = mixture(30'000, {1.0 / 3, 2.0 / 3}, 1), reals = mixture(30'000, {0.5, 0.8}, 2);
  FeatureSource source{{2}, test::device(), 7};
  source.reals = reals.to(at::kCPU, at::kFloat);
  const SampleFeatures features = make_sample_features("clusters", source);
  const at::Tensor memberships = features.of(reals);
  EXPECT_TRUE(at::allclose(memberships.sum(1), at::ones({reals.size(0)}, test::there(at::kDouble))));
  FeatureComponents components = principal_components_of_many(memberships, 64);
  components.directions = components.directions / components.of(memberships).to(at::kDouble).std(0).to(at::kFloat);
  const TiltTerms terms{components, 0, false};
  const auto rows = [&](const at::Tensor& x) {
    return LabelledRows{terms.of(features.of(x)).to(at::kCPU, at::kDouble), {}};
  };
  const at::Tensor w = TiltProblem(rows(reals), rows(pool)).minimum(1e-3),
                   weights = at::softmax(at::mv(rows(pool).phi, w), 0);
  for (const double place : {-1.0, 0.0, 1.0}) {
    const auto here = [&](const at::Tensor& x) { return ((x.select(1, 0) - place).abs() < 0.4).to(at::kDouble); };
    EXPECT_NEAR((here(pool).cpu() * weights).sum().item<double>(), here(reals).mean().item<double>(), 2e-3) << place;
  }
}

TEST(Tilt, ClustersOfFewerPlacesThanCentresAreThose) {
  FeatureSource source{{2}, test::device(), 7};
  source.reals = at::tensor({0.0, 0.0, 1.0, 1.0, 0.0, 0.0, -1.0, 1.0}, at::kFloat).view({4, 2});
  const SampleFeatures features = make_sample_features("clusters", source);
  EXPECT_EQ(features.weights.at("places").size(0), 3);
  const at::Tensor memberships = features.of(source.reals.to(test::device()));
  EXPECT_TRUE(at::isfinite(memberships).all().item<bool>());
  EXPECT_NEAR(memberships.amax(1).min().item<double>(), 1, 1e-6);
}

TEST(Tilt, IsTheSameFromWhatAFileKeeps) {
  const config::ModelConfig model = image_models().front();
  const Case c = image_case(model);
  const tensor::NamedTensors kept = tensors_of(c.tilt, c.features);
  std::vector<std::string> names;
  std::vector<SampleFeatures> features;
  std::vector<tensor::NamedTensors> weights;
  for (size_t i = 0; i < c.tilt.parts.size(); ++i) {
    names.push_back(c.tilt.parts[i].name);
    weights.push_back(kept_features(kept, i));
    FeatureSource source{{3, 16, 16}, test::device(), 99};  // another seed: what is random comes from the file
    source.kept = &weights.back();
    features.push_back(make_sample_features(names.back(), source));
  }
  at::NoGradGuard no_grad;
  const at::Tensor x = c.target.decode(draws(6, model.latent_dim, 12).to(at::kFloat));
  const RatioCorrection a = correction_of(c.tilt, c.features, test::device()),
                        b = correction_of(tilt_of(kept, names), features, test::device());
  EXPECT_TRUE(at::equal(a.term(x, {}), b.term(x, {})));
  EXPECT_TRUE(at::equal(a.slopes, b.slopes));
}

// The words of the configuration are the kinds.
TEST(Tilt, TheConfigurationKnowsEveryKind) {
  config::Config defaults;
  add_samplers(defaults.sample);
  const auto load = [&](const std::string& name) {
    return config::load_config("", {"train.calibration.features=[" + name + "]"}, defaults);
  };
  for (const FeatureKind* kind : feature_kinds())
    EXPECT_EQ(load(kind->name).train.calibration.features, std::vector<std::string>{kind->name});
  EXPECT_ANY_THROW(load("pixel"));
}

TEST(Tilt, FeaturesOfImagesRefusePoints) {
  for (const FeatureKind* kind : feature_kinds()) {
    EXPECT_EQ(feature_kind(kind->name), kind);
    if (!kind->needs_images) continue;
    EXPECT_ANY_THROW(make_sample_features(kind->name, {{2}, test::device()})) << kind->name;
  }
  EXPECT_EQ(feature_kind("no such kind"), nullptr);
}

}  // namespace
}  // namespace ddls::sampling::tilt_test
