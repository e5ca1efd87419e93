// Training gives the same bits for every rank count: each rank trains alone on MPI_COMM_SELF and together with all, and
// compares. Resuming gives the same bits as going through.
#include <gtest/gtest.h>
#include <mpi.h>

#include <filesystem>

#include "base/files.hpp"
#include "base/stop_signal.hpp"
#include "dist/failure.hpp"
#include "models/factory.hpp"
#include "models/network.hpp"
#include "models/state.hpp"
#include "mpi/world.hpp"
#include "tensor/noise.hpp"
#include "train/gan_training.hpp"
#include "train/learner.hpp"
#include "train/ratio_fit.hpp"
#include "train/ratio_refine.hpp"

namespace ddls {
namespace {

// "mlp", "dcgan", or one of these with words behind it: what else is switched on.
config::Config small_config(const std::string& kind) {
  config::Config c;
  c.model.architecture = kind.substr(0, kind.find(' '));
  if (kind.find("refined latents") != std::string::npos) {
    c.train.ddls.mode = "both";
    c.train.ddls.persistent = true;
    c.train.ddls.chains = 48;
    c.train.ddls.from_step = 1;
    c.train.ddls.steps = 3;
  }
  if (kind.ends_with("bfloat16")) c.train.precision = "bfloat16";
  if (kind.ends_with("wasserstein")) {
    c.train.loss = "wasserstein";
    c.train.gp_weight = 1;
    c.train.discriminator_steps = 2;
    c.train.generator_batch = 16;
    c.train.ratio.refine.chain_steps = 0;
  }
  c.model.latent_dim = 4;
  c.model.generator_widths = c.model.discriminator_widths = c.model.ratio_widths = {8, 8};
  c.train.steps = 6;
  c.train.batch = 24;
  c.train.shards = 4;
  c.train.r1_weight = 0.1;
  c.train.r1_every = 2;
  c.train.ema_decay = 0.9;
  c.train.checkpoint_every = 2;
  c.train.ratio.steps = 4;
  c.train.ratio.batch = 16;
  c.train.ratio.instance_noise = 0.3;
  c.train.ratio.refine.steps = 4;
  c.train.ratio.refine.batch = 8;
  c.train.ratio.refine.chains = 16;
  c.train.ratio.refine.adam.lr = 1e-3;
  return c;
}

data::Dataset small_data(const std::string& kind) {
  config::DataConfig config;
  config.points = 200;
  data::Dataset data = data::open_dataset(config, data::Split::train, 1);
  if (kind.starts_with("dcgan")) {
    const at::Tensor u = tensor::Noise{3}.uniform({0, 200}, 8 * 8, 0, Stream::prior);
    data.samples = (u * 255).to(at::kByte).view({200, 1, 8, 8});
  }
  return data;
}

struct Digests {
  uint64_t generator, ratio, refined;
  bool operator==(const Digests&) const = default;
};

Digests train(const config::Config& config, const data::Dataset& data, const fs::path& folder,
              dist::Communicator& comm) {
  train::RunLog log(folder, comm.root(), false);
  const train::TrainContext context{config, data, folder / "checkpoints", train::Resume::automatic, log, comm};
  const train::TrainedGan gan = train::train_gan(context);
  const models::NetworkPtr ratio = train::fit_ratio(context, gan.generator);
  return {models::digest_of(*gan.generator), models::digest_of(*ratio),
          models::digest_of(*train::refine_ratio(context, gan.generator, ratio))};
}

struct Training : ::testing::TestWithParam<const char*> {
  fs::path base = [] {  // one folder per job, the same on all ranks
    int pid = static_cast<int>(getpid());
    MPI_Bcast(&pid, 1, MPI_INT, 0, MPI_COMM_WORLD);
    return fs::temp_directory_path() / fmt::format("ddls_training_{}", pid);
  }();
  void SetUp() override {
    if (world().topology().device.type() == c10::DeviceType::PrivateUse1 &&
        std::string(GetParam()).ends_with("bfloat16"))
      GTEST_SKIP() << "the fake GPU has no autocast";
    if (world().root()) fs::create_directories(base / "together");
    fs::create_directories(base / fmt::format("alone{}", world().rank()));
    world().barrier();
  }
  void TearDown() override {
    world().barrier();
    if (world().root()) fs::remove_all(base);
    world().barrier();
  }
};

TEST_P(Training, SameBitsForEveryRankCount) {
  const config::Config config = small_config(GetParam());
  const data::Dataset data = small_data(GetParam());
  dist::Communicator self(MPI_COMM_SELF, world().topology());
  const Digests alone = train(config, data, base / fmt::format("alone{}", world().rank()), self);
  const Digests together = train(config, data, base / "together", world());
  EXPECT_EQ(alone.generator, together.generator);
  EXPECT_EQ(alone.ratio, together.ratio);
  EXPECT_EQ(alone.refined, together.refined);
}

TEST_P(Training, StoppedAndResumedGivesTheSameBits) {
  const config::Config config = small_config(GetParam());
  const data::Dataset data = small_data(GetParam());
  const fs::path straight = base / "together", cut = base / "cut";
  if (world().root()) fs::create_directories(cut);
  world().barrier();
  const Digests expected = train(config, data, straight, world());
  for (int stops = 0; stops < 3; ++stops) {  // every start is cut after its first step by one rank's signal
    if (world().rank() == world().ranks() - 1) stop_signal::request();
    EXPECT_THROW(train(config, data, cut, world()), dist::CollectiveError);
    stop_signal::reset();
    world().barrier();
  }
  EXPECT_EQ(expected, train(config, data, cut, world()));
}

// A finished run is trained on by a larger train.steps where no step depends on how many there are.
TEST_P(Training, TrainedOnGivesTheSameBits) {
  config::Config config = small_config(GetParam());
  const data::Dataset data = small_data(GetParam());
  const auto generator_of = [&](const char* name, int64_t steps) {
    const fs::path folder = base / name;
    if (world().root()) fs::create_directories(folder);
    world().barrier();
    train::RunLog log(folder, world().root(), false);
    config.train.steps = steps;
    return models::digest_of(
        *train::train_gan({config, data, folder / "checkpoints", train::Resume::automatic, log, world()}).generator);
  };
  const uint64_t expected = generator_of("straight", 6);
  const uint64_t shorter = generator_of("on", 3);
  EXPECT_NE(shorter, expected);
  EXPECT_EQ(generator_of("on", 3), shorter);
  EXPECT_EQ(generator_of("on", 6), expected);
  EXPECT_THROW(generator_of("on", 4), dist::CollectiveError);  // its checkpoint is beyond that
  config.train.generator.schedule = "linear";
  EXPECT_THROW(generator_of("on", 8), dist::CollectiveError);
  generator_of("falling", 4);
  EXPECT_THROW(generator_of("falling", 6), dist::CollectiveError);
  EXPECT_THROW(generator_of("falling", 5), dist::CollectiveError);
}

// u of a spectral norm drifts where a rank's device rounds otherwise: saving notices.
TEST(SpectralNorms, OfRanksThatDifferAreNoticed) {
  config::Config c;
  c.model.architecture = "sn_dcgan";
  c.model.generator_widths = c.model.discriminator_widths = {8, 8, 8, 8};
  const models::NetworkPtr network = models::make_network(c.model, models::Role::discriminator, {3, 32, 32}, 1);
  train::Learner learner(network, config::AdamConfig{}, 1, {}, train::plan_shards(8, 4, world(), "batch"), world());
  EXPECT_NO_THROW(world().require_same(learner.digest(), "weights"));
  const uint64_t before = learner.digest();
  at::Tensor u;
  for (const auto& buffer : network->named_buffers())
    if (buffer.key().ends_with(".u")) u = buffer.value();
  EXPECT_TRUE(u.defined());
  if (world().rank() + 1 == world().ranks() && u.defined()) u.add_(1e-6);
  EXPECT_EQ(learner.digest() == before, world().rank() + 1 < world().ranks());
  if (world().ranks() > 1) {
    EXPECT_THROW(world().require_same(learner.digest(), "weights"), dist::CollectiveError);
  }
}

INSTANTIATE_TEST_SUITE_P(Architectures, Training,
                         ::testing::Values("mlp", "dcgan", "mlp wasserstein", "dcgan refined latents", "dcgan bfloat16",
                                           "dcgan refined latents bfloat16"));

}  // namespace
}  // namespace ddls
