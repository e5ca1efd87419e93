// What needs no run: pairs of sets, inspection, energies of folders, pretrained GANs.
#include "base/json_fields.hpp"
#include "base/json_text.hpp"
#include "mpi/world.hpp"
#include "pipeline/energies.hpp"
#include "pipeline/evaluate_sets.hpp"
#include "pipeline/inspect.hpp"
#include "scratch_folder.hpp"
#include "unit/pipeline/tiny_runs.hpp"

namespace ddls::test::without_a_run_test {
namespace {

namespace fs = std::filesystem;

std::string write_set(const fs::path& file, const at::Tensor& samples) {
  tensor::write_npz(file, {{"arr_0", samples.contiguous()}});
  return file.string();
}

at::Tensor grid_points() {
  const at::Tensor i = at::arange(64, at::kFloat);
  return at::stack({i.remainder(8), (i / 8).floor()}, 1);
}

TEST(EvaluateSets, points_that_are_moved_are_as_far_as_that) {
  const ScratchFolder folder;
  const std::string real = write_set(folder / "real.npz", grid_points());
  const std::string moved = write_set(folder / "moved.npz", grid_points() + at::tensor({3.0F, 4.0F}));
  const config::Config config = tiny_points();
  const auto distance = [&](const std::string& fake) {
    return Json::parse(pipeline::evaluate_sets(config, {fake, real}, world()))["metrics"]["frechet_distance"]
        .get<double>();
  };
  EXPECT_NEAR(distance(real), 0, 1e-9);
  EXPECT_NEAR(distance(moved), 25, 1e-6);
}

TEST(EvaluateSets, refuses_images_without_an_extractor_or_beside_points) {
  const ScratchFolder folder;
  const std::string points = write_set(folder / "points.npz", grid_points());
  const std::string images = write_set(folder / "images.npz", at::zeros({4, 8, 8, 1}, at::kByte));
  const auto code_of = [&](const std::string& fake, const std::string& real) {
    return thrown_by([&] { pipeline::evaluate_sets(tiny_points(), {fake, real}, world()); }).code;
  };
  EXPECT_EQ(code_of(images, images), Exit::usage);
  EXPECT_EQ(code_of(images, points), Exit::data);
  EXPECT_EQ(code_of((folder / "none.npz").string(), points), Exit::missing);
}

TEST(InspectSet, counts_and_names_copies) {
  const ScratchFolder folder;
  at::Tensor images = at::arange(4 * 64, at::kLong).to(at::kByte).view({4, 8, 8, 1}).contiguous();
  images[3].copy_(images[1]);
  const pipeline::Inspection found = pipeline::inspect_set(write_set(folder / "images.npz", images), world());
  EXPECT_EQ(found.record["count"], 4);
  EXPECT_EQ(found.record["sizes"], (Json{{"8x8", 4}}));
  EXPECT_EQ(found.record["duplicates"]["surplus"], 1);
  EXPECT_TRUE(contains(found.text, "sample 1 = sample 3")) << found.text;
  EXPECT_EQ(thrown_by([&] { pipeline::inspect_set((folder / "none").string(), world()); }).code, Exit::missing);
}

TEST(EnergiesIn, the_report_goes_before_what_sampling_kept) {
  const ScratchFolder folder;
  EXPECT_EQ(thrown_by([&] { pipeline::energies_in(folder / "none"); }).code, Exit::missing);
  const Thrown nothing = thrown_by([&] { pipeline::energies_in(folder.path()); });
  EXPECT_EQ(nothing.code, Exit::missing);
  EXPECT_TRUE(contains(nothing.message, "says nothing of an energy")) << nothing.message;
  put_bytes(folder / "energies/ratio.json", R"({"energy": {"ess": 5}})");
  EXPECT_EQ(pipeline::energies_in(folder.path()), (Json{{"ratio", {{"ess", 5}}}}));
  put_bytes(folder / "report.json", R"({"energies": {"ratio": {"ess": 6}}})");
  EXPECT_EQ(pipeline::energies_in(folder.path()), (Json{{"ratio", {{"ess", 6}}}}));
  EXPECT_EQ(
      Json::parse(pipeline::energies_text(pipeline::energies_in(folder.path())))["energies"]["ratio"]["ess"],
      6);
}

TEST(NameAfter, a_file_names_a_folder) {
  EXPECT_EQ(pipeline::name_after("there/my model (2).pt"), "my_model_2");
  EXPECT_EQ(pipeline::name_after("G.v1-b.safetensors"), "G.v1-b");
  EXPECT_EQ(pipeline::name_after("((.pt"), "samples");
}

// A run's own networks, handed over as files, are a GAN from elsewhere with the same samples.
TEST(SampleScripted, weights_of_a_run_give_its_samples) {
  const ScratchFolder scratch;
  const config::Config config = tiny_points();
  {
    auto run = pipeline::open_run(config, {.out = scratch / "run"}, world());
    pipeline::sample_stage(run, pipeline::train_stage(run));
  }
  const fs::path networks = scratch / "run/checkpoints/ratio-00000004";
  const pipeline::GanFiles files{(networks / "generator.safetensors").string(),
                                 (networks / "ratio.safetensors").string()};
  pipeline::sample_pretrained(config, files, {.command = "sample", .out = scratch / "again"}, world());
  for (const char* method : {"generator", "ddls"})
    EXPECT_TRUE(at::equal(samples_of(scratch / "again", method), samples_of(scratch / "run", method))) << method;
  EXPECT_EQ(read_json_object(scratch / "again/run.json")["generator"]["file"], files.generator);

  const Json energies = pipeline::energies_of_gan(config, files, {}, world());
  EXPECT_EQ(energies["discriminator"]["draws"], 800);
  EXPECT_FALSE(energies["discriminator"].contains("metrics"));  // without reals there is nothing to compare with
  EXPECT_EQ(thrown_by([&] {
              pipeline::energies_of_gan(config, {files.generator, "none.pt"}, {}, world());
            }).code,
            Exit::usage);
}

TEST(EnergiesOfRun, have_the_metrics_of_weighted_draws) {
  const ScratchFolder scratch;
  auto run = pipeline::open_run(tiny_points(), {.command = "energy", .out = scratch / "run"}, world());
  pipeline::train_stage(run);
  const Json energies = pipeline::energies_of_run(run, "");
  EXPECT_TRUE(energies["ratio"]["nats"].is_number());
  EXPECT_GT(energies["ratio"]["metrics"]["frechet_distance"].get<double>(), 0);
}

}  // namespace
}  // namespace ddls::test::without_a_run_test
