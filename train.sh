. /tmp/own/env.sh
rtv train rt1 --data /tmp/own/data1 --init-from rt1-mini --steps 20 --save-interval 10 --threads 1 --batch-size 8 --out /tmp/own/run1
